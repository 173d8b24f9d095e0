"""OT-MEL: fusion and unimodal matching behind one score (Eq. 25)."""

from __future__ import annotations

from torch import Tensor, nn

from otmel.encoders import TwoTowerEncoder
from otmel.models.base import LateState, Side, State
from otmel.models.composition import Part
from otmel.models.fusion import Fusion
from otmel.models.matching import Matching
from otmel.models.model import Encoded, LinkerConfig, LinkerModel
from otmel.models.projection import Projection
from otmel.models.settings import ModelSettings
from otmel.types import Views


class OTMEL(LinkerModel):
    """The linker of the paper: parts F (Eq. 18), T and V (Eq. 24), averaged (Eq. 25); optionally plus N."""

    settings_class = ModelSettings
    settings: ModelSettings

    def __init__(self, config: LinkerConfig, encoder: TwoTowerEncoder | None = None) -> None:
        super().__init__(config, encoder)
        settings = self.settings
        self.text = Projection(self.widths.text, self.widths.text_cls, settings)
        self.image = Projection(self.widths.image, self.widths.image_cls, settings)
        self.fusion = Fusion(settings) if settings.fusion else None
        self.matching = nn.ModuleDict({"T": Matching(settings), "V": Matching(settings)} if settings.matching else {})
        self.post_init()

    def projected(self, views: Views) -> Views:
        """Both modalities in the hidden width."""
        return Views(self.text(views.text), self.image(views.image))

    @property
    def parts(self) -> tuple[Part, ...]:
        """Eq. 18 and 24."""
        fused = [] if self.fusion is None else [Part("F", dense=1.0)]
        return (*fused, *(Part(name, dense=0.5, late=0.5, needs_image=name == "V") for name in self.matching))

    def late_term(self, part: str) -> Matching:
        """Eq. 19–23."""
        return self.matching[part]  # pyright: ignore[reportReturnType]

    def encode(self, side: Side, *, receives: bool) -> Encoded:
        """The state of one side: entities receive in Eq. 19–22, mentions send."""
        views = self.projected(self.views(side))
        dense: dict[str, Tensor] = {}
        late: dict[str, LateState] = {}
        auxiliary = None
        if self.fusion is not None:
            dense["F"], auxiliary = self.fusion(views)
        for part, elements in (("T", views.text), ("V", views.image)):
            if part in self.matching:
                dense[part] = elements.cls
                match = self.late_term(part)
                late[part] = (
                    match.entity(elements.tokens, elements.mask, elements.cls)
                    if receives
                    else match.mention(elements.tokens, elements.mask)
                )
        names = side.names if self.name_weight is not None else None
        return Encoded(State(dense, late, views.image.present, names), auxiliary)
