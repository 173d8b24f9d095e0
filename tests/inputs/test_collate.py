import torch

from otmel.inputs.collate import collate


def test_texts_are_padded_to_the_longest_under_a_mask():
    batch = collate([[5, 6, 7], [5]], 9, torch.zeros(2, 3, 4, 4), torch.tensor([True, False]))
    assert batch.input_ids.tolist() == [[5, 6, 7], [5, 9, 9]]
    assert batch.attention_mask.tolist() == [[True, True, True], [True, False, False]]
    assert batch.input_ids.dtype == torch.long
    assert len(batch) == 2


def test_an_empty_batch_has_no_rows():
    batch = collate([], 0, torch.zeros(0, 3, 4, 4), torch.zeros(0, dtype=torch.bool))
    assert batch.input_ids.shape == (0, 0)
