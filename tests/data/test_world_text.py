from otmel.data import world_text
from otmel.data.world import WorldSettings, generate_world


def test_lists_read_as_english_does():
    assert world_text.listed(["Anna"]) == "Anna"
    assert world_text.listed(["Anna", "Robert"]) == "Anna and Robert"
    assert world_text.listed(["Anna, the actor", "Robert", "Nina"]) == "Anna, the actor, Robert and Nina"


def test_surnames_are_all_different():
    assert len({world_text.surname(number) for number in range(2500)}) == 2500


def test_attributes_are_stated_as_the_person_has_them():
    person = generate_world(WorldSettings(entities=4, train=0, dev=0, test=0, unseen=0)).people[0]
    every = world_text.attributes(person, frozenset(world_text.ATTRIBUTES))
    assert every.count(": ") == 5
    assert f"Team: {world_text.TEAMS[person.emblem.colour]}" in every
    assert world_text.attributes(person).count(": ") == len(person.stated)
