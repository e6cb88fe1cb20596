"""Why a piece of a round's work failed, in words that help."""

import re
from dataclasses import dataclass

from utils.errors import Diverged

WORKER_DIED = re.compile(r"ray\.exceptions\.(\w*Actor\w*Error|WorkerCrashedError|OutOfMemoryError)")
LESS_MEMORY = "lower --n_workers, --batch_size or --max_length"


@dataclass(frozen=True)
class Failure:
    """A failed try: Flower's `account` of it, with the client's own traceback."""

    account: str

    @property
    def final(self) -> bool:
        """Whether it would fail again."""
        return Diverged.__name__ in self.account

    @property
    def words(self) -> str:
        """What happened, on one line; of what a client raised, its message.

        Where memory may have run out, the flags to lower are named.
        """
        account, client, message = self.account.rpartition(" occurred. Message: ")
        words = " ".join(message.strip().removesuffix("'>").split())
        if WORKER_DIED.search(self.account) and not client:
            words = "its worker died: killed, or out of memory"
        words = words or " ".join(account.split()[-2:]) or "a client failed and said nothing"
        return words + (f" ({LESS_MEMORY})" if re.search("memory|bad_alloc", words, re.IGNORECASE) else "")
