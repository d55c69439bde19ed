"""The models in memory: each is loaded once, and those that were used longest ago leave when memory runs out."""

import gc
import threading
from collections import OrderedDict
from collections.abc import Sequence

import psutil

from steering.errors import ModelMemoryError, Progress, part_of, silent
from steering.models import LanguageModel, load_model


def default_budget() -> int:
    """Bytes of memory that models may take unless another number is given: half of the machine's."""
    return int(psutil.virtual_memory().total // 2)


class LoadedModels:
    """Models by the name that they were loaded as. Safe to call from several threads.

    Attributes:
        budget: bytes that the weights of all models together may take; the models of one call stay whatever they take.
        dtype: the type that they are loaded in, see `load_model`.
    """

    def __init__(self, budget: int | None = None, dtype: str = "auto") -> None:
        self.dtype = dtype
        self.budget = default_budget() if budget is None else budget
        self._loading = threading.RLock()
        self._lock = threading.Lock()
        self._models: OrderedDict[str, LanguageModel] = OrderedDict()
        self._sizes: dict[str, int] = {}

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the models in memory, the least recently used first."""
        with self._lock:
            return tuple(self._models)

    def loaded(self, name: str) -> LanguageModel | None:
        """A model in memory; None if it is not loaded."""
        with self._lock:
            return self._models.get(name)

    def get(self, names: Sequence[str], progress: Progress = silent) -> tuple[LanguageModel, ...]:
        """Some models, which are loaded where they are not in memory.

        Args:
            names: of the models.
            progress: of loading them.

        Raises:
            ModelError: one of them cannot be loaded.
        """
        with self._loading:  # Whoever asks for the same model meanwhile waits for it instead of loading it again.
            for number, name in enumerate(dict.fromkeys(names)):
                if name not in self._models:
                    share = part_of(progress, number / len(names), (number + 1) / len(names))
                    self._make_room(names, self._sizes.get(name, 0))
                    self._put(name, self._load(name, names, share))
                with self._lock:
                    self._models.move_to_end(name)
            self._make_room(names, 0)
            return tuple(self._models[name] for name in names)

    def _load(self, name: str, needed: Sequence[str], progress: Progress) -> LanguageModel:
        try:
            return load_model(name, dtype=self.dtype, progress=progress)
        except ModelMemoryError:
            if not self._remove_all_but(needed):
                raise
        # It may not have fitted beside the others.
        return load_model(name, dtype=self.dtype, progress=progress)

    def _put(self, name: str, model: LanguageModel) -> None:
        with self._lock:
            self._models[name] = model
            self._sizes[name] = model.weight_bytes

    def _make_room(self, needed: Sequence[str], size: int) -> None:
        """Remove models that are not needed until another one of a size fits into the budget."""
        removed = False
        with self._lock:
            for name in [name for name in self._models if name not in needed]:
                if sum(self._sizes[each] for each in self._models) + size <= self.budget:
                    break
                del self._models[name]
                removed = True
        if removed:
            gc.collect()

    def _remove_all_but(self, needed: Sequence[str]) -> bool:
        with self._lock:
            others = [name for name in self._models if name not in needed]
            for name in others:
                del self._models[name]
        gc.collect()
        return bool(others)
