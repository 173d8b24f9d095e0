"""Words of a generated world: names, attributes of the graph, sentences and captions."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

from otmel.data.world_records import CueShares, Emblem, Person

FIRST = """
    Robert Anna James Maria David Linda Peter Sofia Thomas Clara Martin Elena Victor Julia Oscar Nina Henry Laura Felix
    Irene Simon Diana Bruno Alice
""".split()  # noqa: SIM905
LAST = """
    Holland Downey Pattinson Redford Duvall Carlyle Keller Novak Moreau Silva Tanaka Okafor Larsen Rossi Meyer Dubois
    Santos Ivanov Haddad Brandt Olsen Walsh Ferrari Costa Nagy Popov Schmidt Weber Lopez Garcia Kovacs Murphy Byrne
    Quinn Reyes Ortiz Vargas Lund Berg Falk Stone Rivers Woods Marsh Field Brook Hill Dale Frost Snow
""".split()  # noqa: SIM905
FACES = ("round", "square", "pointed", "starlike", "diamond", "hexagonal")
OCCUPATIONS = ("actor", "pilot", "chef", "monarch", "teacher", "soldier")
ACCESSORIES = ("a mask", "goggles", "a toque", "a crown", "a tie", "a helmet")
TEAMS = ("Lions", "Sharks", "Frogs", "Suns", "Violets", "Foxes")
COLOURS = ("red", "blue", "green", "yellow", "purple", "orange")
ORIGINS = ("Norden", "Sudland", "Ostia", "Westmark")
PATTERNS = ("plain cloth", "stripes", "dots", "crosses")
AWARDS = ("Palm", "Bear", "Globe", "Star", "Leaf", "Shell")
ATTRIBUTES = ("Occupation", "Team", "Origin", "Face", "Award")
EVENTS = ("gala", "arena", "premiere", "harbour", "market", "museum", "station", "festival")
TEMPLATES = (
    "{people} at the {place}.",
    "{people} during a visit to the {place}.",
    "{people} near the {place}.",
    "Photo: {people} at the {place}.",
    "Seen at the {place}: {people}.",
)


def surname(number: int) -> str:
    """Surname of a number; beyond the plain ones, double-barrelled."""
    if number < len(LAST):
        return LAST[number]
    first, second = divmod(number, len(LAST))
    return f"{LAST[first]}-{LAST[second]}"


def attributes(person: Person, only: frozenset[str] | None = None) -> str:
    """The attribute text ``e^a``: what the graph states of a person, or the attributes named in ``only``."""
    emblem = person.emblem
    every = {
        "Occupation": OCCUPATIONS[emblem.accessory],
        "Team": TEAMS[emblem.colour],
        "Origin": ORIGINS[emblem.pattern],
        "Face": FACES[emblem.face],
        "Award": AWARDS[person.award],
    }
    shown = person.stated if only is None else only
    return ". ".join(f"{key}: {value}" for key, value in every.items() if key in shown)


def described(name: str, person: Person, shares: CueShares, paraphrase: float, rng: Random) -> str:
    """``name`` followed by what the sentence happens to say: "Robert, the actor of the Lions, winner of the Palm"."""
    emblem = person.emblem

    def plain() -> bool:
        return rng.random() >= paraphrase

    occupation, wearing, tail = "", [], ""
    if rng.random() < shares.occupation:
        if plain():
            occupation = f", the {OCCUPATIONS[emblem.accessory]}"
        else:
            wearing.append(f"wearing {ACCESSORIES[emblem.accessory]}")
    if rng.random() < shares.team:
        tail += f" of the {TEAMS[emblem.colour]}" if plain() else f" in {COLOURS[emblem.colour]}"
    if rng.random() < shares.origin:
        tail += f" from {ORIGINS[emblem.pattern]}" if plain() else f" in {PATTERNS[emblem.pattern]}"
    if rng.random() < shares.award:
        wearing.append(f"winner of the {AWARDS[person.award]}")
    return ", ".join([name + occupation + tail, *wearing])


def listed(items: Sequence[str]) -> str:
    """Items as English lists them; an item with a comma inside is closed by one."""
    *front, last = (f"{item}," if "," in item else item for item in items)
    if not front:
        return last
    joined = "".join(item + (" " if item.endswith(",") else ", ") for item in front[:-1]) + front[-1]
    return f"{joined} and {last}"


def sentence(items: Sequence[str], rng: Random) -> str:
    """A sentence about the described people."""
    template, people = rng.choice(TEMPLATES), listed(items)
    text = template.format(people=people, place=rng.choice(EVENTS)).replace(",.", ".")
    return text[0].upper() + text[1:]


def caption(people: Sequence[Person], rng: Random) -> str:
    """A caption that says much of what its scene shows, in the graph's wording or in that of sentences."""
    if len(people) == 1 and rng.random() < 0.4:
        person = people[0]
        kept = frozenset(attribute for attribute in ATTRIBUTES if rng.random() < 0.8)
        return f"{person.name}. {attributes(person, kept)}"
    shares = CueShares(occupation=0.8, team=0.8, origin=0.7, award=0.1)
    items = []
    for person in people:
        name = rng.choice((person.first, person.last, "somebody", "a person"))
        if rng.random() < 0.5:
            name += f" with a {FACES[person.emblem.face]} face"
        items.append(described(name, person, shares, 0.5, rng))
    return sentence(items, rng)


def random_emblem(rng: Random) -> Emblem:
    """An emblem of independent, uniform parts."""
    return Emblem(
        rng.randrange(len(FACES)),
        rng.randrange(len(TEAMS)),
        rng.randrange(len(ORIGINS)),
        rng.randrange(len(OCCUPATIONS)),
    )
