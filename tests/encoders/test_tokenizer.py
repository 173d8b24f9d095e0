from transformers import AutoTokenizer

from otmel.encoders.tokenizer import train_tokenizer

TEXTS = ["Robert Holland, the actor of the Lions, at the gala.", "Team: Lions. Occupation: actor"] * 3


def test_the_pair_template_ends_with_a_token_of_its_own(tokenizer):
    tokens = tokenizer.convert_ids_to_tokens(tokenizer("Clara", "the chemist")["input_ids"])
    assert (tokens[0], tokens[-1], tokens.count("[SEP]")) == ("[CLS]", "[END]", 1)
    assert tokenizer.eos_token_id not in (2, tokenizer.sep_token_id)
    assert len({tokenizer.pad_token_id, tokenizer.bos_token_id, tokenizer.eos_token_id}) == 3


def test_any_text_survives_but_for_case_and_spaces(tokenizer):
    for text in ("Émile 漢字 😀", "James  Holland", "tab\there", ""):
        ids = tokenizer(text, add_special_tokens=False)["input_ids"]
        assert tokenizer.decode(ids).strip() == " ".join(text.lower().split())
        assert tokenizer.unk_token_id not in ids


def test_a_word_has_the_same_tokens_wherever_it_stands(tokenizer):
    first = tokenizer("Holland", add_special_tokens=False)["input_ids"]
    later = tokenizer("James Holland", add_special_tokens=False)["input_ids"]
    assert later[-len(first) :] == first


def test_training_is_deterministic_and_bounded():
    first, second = train_tokenizer(TEXTS, 300), train_tokenizer(TEXTS, 300)
    assert first.backend_tokenizer.to_str() == second.backend_tokenizer.to_str()
    assert len(first) <= 300


def test_it_loads_like_any_other(tokenizer, tmp_path):
    tokenizer.save_pretrained(tmp_path)
    loaded = AutoTokenizer.from_pretrained(tmp_path)
    assert loaded("Clara", "the chemist")["input_ids"] == tokenizer("Clara", "the chemist")["input_ids"]
    assert loaded.special_tokens_map == tokenizer.special_tokens_map
