"""RoLoRA: rounds that train B and rounds that train A take turns (Chen et al. 2024, arXiv:2409.02346)."""

from strategies import Strategy


class RoLoRA(Strategy):
    """B ← Σ pₖ·Bₖ in odd rounds, A ← Σ pₖ·Aₖ in even ones, where the other stays: B·A is exactly the clients' mean."""

    group = "adapters"
    trains = "lora"
    goes_on = False

    def freezes(self, server_round: int, name: str) -> bool:
        stays = ".lora_A." if server_round % 2 else ".lora_B."  # B begins as 0, so that A alone would learn nothing
        return stays in name
