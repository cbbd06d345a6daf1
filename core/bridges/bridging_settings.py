"""Settings of the bridging VAE: what can be told, what is refused, and the authors' own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, get_args

from ..bridge import Bridge
from ..config import check_choice, check_flag, check_names, check_number
from ..stage import Schedule


class BridgingSettings(Bridge):
    """What ``BridgingVAE`` is told.

    ``published`` holds the authors' settings. The defaults differ where there are
    labels: the latent VAEs keep the class (``class_weight``) and decode what a reader can tell
    (``reading``, see ``latents.vae.VAE``); the bridge's classification weighs 1 and its KL .05,
    and the target of its reconstruction is the mean of z.

    Args:
        latent: width of z, each domain's latent vector.
        width: width of z', the shared latent vector.
        hidden, depth: of the shared VAE's perceptrons.
        conditional: tell the shared VAE the domain (False is the paper's first ablation).
        kl, swd, classification: weights; 0 leaves a term out.
        projections: directions of the sliced Wasserstein distance.
        fixed_head: leave the latent classifier at its random start, as the authors' code does.
        sampled_target: reconstruct the sampled z, as the authors' code does, and not its mean.
        balanced: draw every class equally often, from labelled items only, as the authors do;
            False draws all items alike and takes the classification from a labelled draw.
        steps, batch, lr: of the bridge (Adam); batch counts items of each domain.
        schedule: of the learning rate, ``"constant"``, ``"cosine"`` or ``"late"``, see ``Adam``.
        gans: domains whose latent model is a GAN; the others have a VAE.
        latent_steps: of each latent model.
        class_weight, reading: of the latent VAEs' class terms; see ``latents.vae.VAE``.
        augment: whether the latent VAEs learn from augmented items.
        copies: augmented encodings of each item, beside the plain one.
        reader_steps: of each domain's reader, the classifier that ``reading`` and the GANs'
            rejection sampling lean on.
        pseudo_labels: let the readers name the items that have no label, by self-training.

    Raises:
        SettingError: a setting out of its range.
    """

    published: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "images": {
            "latent": 100, "width": 8, "hidden": 512, "depth": 4,
            "kl": 0.005, "swd": 1.0, "classification": 0.05,
            "projections": 1024, "fixed_head": True, "sampled_target": True,
            "batch": 512, "steps": 20_000, "schedule": "constant",
            "class_weight": 0.0, "reading": 0.0, "augment": False, "copies": 0,
        },
        "speech": {
            "latent": 100, "width": 16, "hidden": 1024, "depth": 8,
            "kl": 0.01, "swd": 3.0, "classification": 0.3,
            "projections": 2048, "fixed_head": True, "sampled_target": True,
            "batch": 512, "steps": 50_000, "schedule": "constant",
            "class_weight": 0.0, "reading": 0.0, "augment": False, "copies": 0,
        },
    }  # fmt: skip

    def __init__(
        self,
        *,
        latent: int = 64,
        width: int = 16,
        hidden: int = 256,
        depth: int = 3,
        conditional: bool = True,
        kl: float = 0.05,
        swd: float = 1.0,
        classification: float = 1.0,
        projections: int = 128,
        fixed_head: bool = False,
        sampled_target: bool = False,
        balanced: bool = True,
        steps: int = 1000,
        batch: int = 250,
        lr: float = 1e-3,
        schedule: Schedule = "cosine",
        gans: Sequence[str] = (),
        latent_steps: int = 2000,
        class_weight: float = 1500.0,
        reading: float = 200.0,
        augment: bool = True,
        copies: int = 1,
        reader_steps: int = 800,
        pseudo_labels: bool = False,
    ) -> None:
        super().__init__()
        whole = {"latent": latent, "width": width, "hidden": hidden, "depth": depth,
                 "projections": projections, "steps": steps, "batch": batch,
                 "latent_steps": latent_steps, "reader_steps": reader_steps}  # fmt: skip
        for key, count in whole.items():
            check_number(self.name, key, count, 1, integer=True)
        weights = {"kl": kl, "swd": swd, "classification": classification, "lr": lr,
                   "class_weight": class_weight, "reading": reading}  # fmt: skip
        for key, weight in weights.items():
            check_number(self.name, key, weight, 0)
        check_number(self.name, "copies", copies, 0, integer=True)
        check_choice(self.name, "schedule", schedule, get_args(Schedule))
        check_names(self.name, "gans", gans)
        flags = {"conditional": conditional, "fixed_head": fixed_head,
                 "sampled_target": sampled_target, "balanced": balanced, "augment": augment,
                 "pseudo_labels": pseudo_labels}  # fmt: skip
        for key, flag in flags.items():
            check_flag(self.name, key, flag)
        self.latent, self.width, self.hidden, self.depth = latent, width, hidden, depth
        self.conditional = conditional
        self.kl, self.swd, self.classification = kl, swd, classification
        self.projections = projections
        self.fixed_head, self.sampled_target, self.balanced = fixed_head, sampled_target, balanced
        self.steps, self.batch, self.lr, self.schedule = steps, batch, lr, schedule
        self.gans = list(gans)
        self.latent_steps, self.class_weight, self.reading = latent_steps, class_weight, reading
        self.augment, self.copies = augment, copies
        self.reader_steps, self.pseudo_labels = reader_steps, pseudo_labels
