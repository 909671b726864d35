"""What each process of a distributed test does: train as the config files say, and leave its weights behind."""

from __future__ import annotations

import sys

from tracegen_model.network.checkpoint import save_tensors
from tracegen_model.training.overrides import read_run_config
from tracegen_model.training.ranks import join_ranks
from tracegen_model.training.sharding import whole
from tracegen_model.training.start_run import output_folder, prepare

if __name__ == "__main__":
    # Processes meet once: a second meeting may find what the first one left behind, and wait for ever.
    with join_ranks("cpu") as ranks:
        for path in sys.argv[1:]:
            config = read_run_config(path)
            trainer = prepare(config, ranks)
            trainer.run()
            weights = output_folder(config) / f"rank{ranks.rank}.safetensors"
            trained = {name: whole(tensor) for name, tensor in trainer.network.trained_tensors().items()}
            save_tensors(weights, trained)
