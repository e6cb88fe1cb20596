"""FFA-LoRA: all clients share one frozen A (Sun et al. 2024, arXiv:2403.12313)."""

from strategies import Strategy


class FFALoRA(Strategy):
    """B ← Σ pₖ·Bₖ, where A stays as it was drawn, so that B·A is exactly the mean of the clients' products."""

    group = "adapters"
    trains = "lora"

    def freezes(self, server_round: int, name: str) -> bool:
        return ".lora_A." in name
