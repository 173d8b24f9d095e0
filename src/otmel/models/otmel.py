"""OT-MEL: fusion and unimodal matching behind one score (Eq. 25), and what can be added to it."""

from __future__ import annotations

from torch import Tensor, nn

from otmel.encoders import TwoTowerEncoder
from otmel.models.base import Encoded, LateState, Side
from otmel.models.composition import Part
from otmel.models.config import LinkerConfig
from otmel.models.fusion import Fusion
from otmel.models.interaction import LateInteraction
from otmel.models.matching import Matching
from otmel.models.model import LinkerModel
from otmel.models.projection import Projection
from otmel.models.settings import ModelSettings
from otmel.types import Elements, Views


class OTMEL(LinkerModel):
    """The linker of the paper: parts F (Eq. 18), T and V (Eq. 24), averaged (Eq. 25); optionally plus LT, LV and N."""

    settings_class = ModelSettings
    settings: ModelSettings

    def __init__(self, config: LinkerConfig, encoder: TwoTowerEncoder | None = None) -> None:
        super().__init__(config, encoder)
        settings = self.settings
        self.text = Projection(self.widths.text, self.widths.text_cls, settings)
        self.image = Projection(self.widths.image, self.widths.image_cls, settings)
        self.fusion = Fusion(settings) if settings.fusion else None
        self.matching = nn.ModuleDict({"T": Matching(settings), "V": Matching(settings)} if settings.matching else {})
        self.interaction = nn.ModuleDict(_interactions(settings))
        self.post_init()

    def projected(self, views: Views) -> Views:
        """Both modalities in the hidden width."""
        return Views(self.text(views.text), self.image(views.image))

    @property
    def parts(self) -> tuple[Part, ...]:
        """Eq. 18 and 24, and the late interactions."""
        fused = [] if self.fusion is None else [Part("F", dense=1.0)]
        matched = [Part(name, dense=0.5, late=0.5, needs_image=name == "V") for name in self.matching]
        added = [Part(name, 0.0, late=1.0, needs_image=name == "LV", averaged=False) for name in self.interaction]
        return (*fused, *matched, *added)

    def late_term(self, part: str) -> Matching | LateInteraction:
        """Eq. 19–23, or a late interaction."""
        return (self.interaction if part in self.interaction else self.matching)[part]  # pyright: ignore[reportReturnType]

    def late_factor(self, part: str) -> float:
        """``γ`` of a late interaction; 1 for the others."""
        return float(self.interaction[part].weight.detach()) if part in self.interaction else 1.0  # pyright: ignore[reportAttributeAccessIssue,reportCallIssue,reportArgumentType]

    def encode(self, side: Side, *, receives: bool) -> Encoded:
        """The state of one side: entities receive in Eq. 19–22, mentions send."""
        views = self.projected(self.views(side))
        dense: dict[str, Tensor] = {}
        late: dict[str, LateState] = {}
        auxiliary = None
        if self.fusion is not None:
            dense["F"], auxiliary = self.fusion(views)
        for part, elements in (("T", views.text), ("V", views.image), ("LT", views.text), ("LV", views.image)):
            if part in self.matching:
                dense[part] = elements.cls
            if part in self.matching or part in self.interaction:
                late[part] = self._late(part, elements, receives)
        return Encoded(self.state(side, views, dense, late), auxiliary)

    def _late(self, part: str, elements: Elements, receives: bool) -> LateState:
        term = self.late_term(part)
        if not receives:
            return term.mention(elements.tokens, elements.mask)
        if isinstance(term, LateInteraction):
            return term.entity(elements.tokens, elements.mask)
        return term.entity(elements.tokens, elements.mask, elements.cls)


def _interactions(settings: ModelSettings) -> dict[str, LateInteraction]:
    asked = settings.interaction
    wanted = {} if asked is None else {"LT": asked.text, "LV": asked.vision}
    return {
        part: LateInteraction(assignment, asked, settings.hidden)
        for part, assignment in wanted.items()
        if asked is not None and assignment is not None
    }
