"""Makes the data of the demo account from a seed: see `generate` and `Business`."""

from pipedrive_orchestration.demo.generator.business import Business, generate

__all__ = ["Business", "generate"]
