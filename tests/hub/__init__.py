"""A small model and data hub on loopback, for the real clients of huggingface_hub, transformers and datasets.

    with Hub(tmp_path) as hub:
        hub.add_model("tiny/bert", folder)                     # as main; revision="v1.0" adds a tag, "refs/pr/1" a PR
        hub.add_dataset("tiny/rows", {"default": {"train": dataset}})
        hub.fault("POST .*/commit/", status=500, times=1)      # or hang, delay, drop
        subprocess.run([…], env={**os.environ, **hub.environment(token="hf_good")})
        assert not any(request.authorization for request in hub.requests)

It answers as the public hub does, down to the headers by which the clients part a gated, a private and a missing
repository apart; large files are on another host name, behind a redirect. It does not speak Xet: the environment that
it gives turns that off, and large files go by the LFS protocol.
"""

from tests.hub.server import Hub

__all__ = ["Hub"]
