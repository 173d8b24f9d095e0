"""Reading transformers' files: no socket where the files are at hand, one clear error where they are not."""

import logging
import os
import socket

import huggingface_hub
import pytest
import transformers.utils.logging as transformers_logging
from huggingface_hub.utils import logging as hub_logging

from otmel.errors import CheckpointError
from otmel.inputs.pretrained import is_folder, quiet, read_pretrained


@pytest.fixture
def no_sockets(monkeypatch):
    """Opening a socket, or asking for an address, fails the test."""

    def refuse(*arguments, **options):
        raise AssertionError("a socket was opened")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


def test_a_folder_is_read_without_a_socket(no_sockets, tmp_path):
    assert read_pretrained(lambda name, local_files_only: (name, local_files_only), str(tmp_path), "x") == (
        str(tmp_path),
        True,
    )


def test_a_broken_folder_is_an_error_at_once(no_sockets, tmp_path):
    def load(name, local_files_only=False):
        raise ValueError("first line\nsecond line")

    (tmp_path / "config.json").touch()
    with pytest.raises(CheckpointError) as caught:
        read_pretrained(load, str(tmp_path), "the model")
    assert str(caught.value) == f"{tmp_path}: the model cannot be read: first line\n  → the folder holds: config.json"


@pytest.mark.parametrize("name", ["./nowhere", "/nowhere/at/all", "a/b/c"])
def test_a_folder_that_is_not_there_is_said_to_be_absent(no_sockets, name):
    def load(name, local_files_only=False):
        raise OSError("not a valid repository id")

    with pytest.raises(CheckpointError, match="there is no such folder"):
        read_pretrained(load, name, "the model")


def test_offline_a_name_is_refused_without_a_socket(no_sockets, monkeypatch):
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)

    def load(name, local_files_only=False):
        assert local_files_only
        raise OSError("not in the cache")

    with pytest.raises(CheckpointError, match="hf download openai/clip") as caught:
        read_pretrained(load, "openai/clip", "the model")
    assert "\n  → " in str(caught.value)


def test_without_a_network_a_name_is_refused_at_once(monkeypatch):
    def unresolved(*arguments, **options):
        raise socket.gaierror("no name server")

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(socket, "getaddrinfo", unresolved)
    for key in list(os.environ):
        if key.lower() in {"https_proxy", "all_proxy"}:
            monkeypatch.delenv(key)

    def load(name, local_files_only=False):
        if local_files_only:
            raise OSError("not in the cache")
        raise AssertionError("asked the network")

    with pytest.raises(CheckpointError, match="there is no network"):
        read_pretrained(load, "openai/clip", "the model")
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy:1")
    with pytest.raises(CheckpointError, match="asked the network"):
        read_pretrained(load, "openai/clip", "the model")


def test_with_a_network_a_name_is_fetched(monkeypatch):
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(socket, "getaddrinfo", lambda *arguments: [])

    def load(name, local_files_only=False):
        if local_files_only:
            raise OSError("not in the cache")
        return name

    assert read_pretrained(load, "openai/clip", "the model") == "openai/clip"


def test_quiet_restores_what_it_changed():
    transformers_logging.enable_progress_bar()
    before = transformers_logging.get_verbosity(), hub_logging.get_verbosity()
    with quiet():
        assert not transformers_logging.is_progress_bar_enabled()
        assert hub_logging.get_verbosity() == logging.ERROR
    assert (transformers_logging.get_verbosity(), hub_logging.get_verbosity()) == before
    assert transformers_logging.is_progress_bar_enabled()


def test_what_is_a_folder(tmp_path):
    assert is_folder(str(tmp_path))
    assert is_folder("~/models")
    assert not is_folder("openai/clip-vit-base-patch32")
    assert not is_folder("gpt2")
