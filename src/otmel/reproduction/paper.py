"""The figures of the paper, as printed, in percent (Table 4: seconds): nothing here is ours.

Zhang et al., Optimal Transport Guided Correlation Assignment for Multimodal Entity Linking, Findings of ACL 2024.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from otmel.evaluation.grid import Grid

RICHPEDIA, WIKIMEL, WIKIDIVERSE = "RichpediaMEL", "WikiMEL", "WikiDiverse"
MEASURES = ("H@1", "H@3", "H@5", "MRR")


@dataclass(frozen=True)
class Printed:
    """A table of the paper.

    Attributes:
        place: where it stands.
        title: what it is.
        columns: what its figures are.
        rows: label as printed → figures.
    """

    place: str
    title: str
    columns: tuple[str, ...]
    rows: Mapping[str, tuple[float, ...]]

    def grid(self) -> Grid:
        """As a table."""
        rows = tuple((label, *map(_shown, values)) for label, values in self.rows.items())
        return Grid(f"The paper's {self.place}: {self.title}", ("", *self.columns), rows, "As printed.")

    def cell(self, row: str, column: str) -> float | None:
        """A figure, or ``None`` where the paper has none."""
        if row not in self.rows or column not in self.columns:
            return None
        return self.rows[row][self.columns.index(column)]


def _shown(value: float) -> str:
    return f"{value:,.2f}" if value != int(value) or value < 100 else f"{value:,.0f}"


def _over(groups: tuple[str, ...], columns: tuple[str, ...] = MEASURES) -> tuple[str, ...]:
    return tuple(f"{group} {column}" for group in groups for column in columns)


TABLE1 = Printed(
    "Table 1",
    "results on three benchmarks, %",
    _over((RICHPEDIA, WIKIMEL, WIKIDIVERSE)),
    MappingProxyType(
        {
            "BLINK": (58.47, 81.51, 88.09, 71.39, 74.66, 86.63, 90.57, 81.72, 57.14, 78.04, 85.32, 69.15),
            "BERT": (59.55, 81.12, 87.16, 71.67, 74.82, 86.79, 90.47, 81.78, 55.77, 75.73, 83.11, 67.38),
            "RoBERTa": (61.34, 81.56, 87.15, 72.80, 73.75, 85.85, 89.80, 80.86, 59.46, 78.54, 85.08, 70.52),
            "CLIP": (67.78, 85.22, 90.04, 77.57, 83.23, 92.10, 94.51, 88.23, 61.21, 79.63, 85.18, 71.69),
            "ViLT": (45.85, 62.96, 69.80, 56.63, 72.64, 84.51, 87.86, 79.46, 34.39, 51.07, 57.83, 45.22),
            "ALBEF": (65.17, 82.84, 88.28, 75.29, 78.64, 88.93, 91.75, 84.56, 60.59, 75.59, 81.30, 69.93),
            "METER": (63.96, 82.24, 87.08, 74.15, 72.46, 84.41, 88.17, 79.49, 53.14, 70.93, 77.59, 63.71),
            "DZMNED": (68.16, 82.94, 87.33, 76.63, 78.82, 90.02, 92.62, 84.97, 56.90, 75.34, 81.41, 67.59),
            "JMEL": (48.82, 66.77, 73.99, 60.06, 64.65, 79.99, 84.34, 73.39, 37.38, 54.23, 61.00, 48.19),
            "VELML": (67.71, 84.57, 89.17, 77.19, 76.62, 88.75, 91.96, 83.42, 54.56, 74.43, 81.15, 66.13),
            "GHMFC": (72.92, 86.85, 90.60, 80.76, 76.55, 88.40, 92.01, 83.36, 60.27, 79.40, 84.74, 70.99),
            "MIMIC": (81.02, 91.77, 94.38, 86.95, 87.98, 95.07, 96.37, 91.82, 63.51, 81.04, 86.43, 73.44),
            "ATT": (78.33, 91.16, 94.33, 85.28, 88.20, 94.87, 96.52, 91.93, 63.38, 81.95, 87.25, 73.82),
            "OT-MEL (OT)": (83.30, 92.39, 94.83, 88.27, 88.97, 95.63, 96.96, 92.59, 66.07, 82.82, 87.39, 75.43),
            "OT-MEL (KD)": (82.57, 92.06, 94.44, 87.78, 88.37, 95.41, 96.90, 92.26, 64.82, 82.29, 87.25, 74.65),
        }
    ),
)

TABLE2 = Printed(
    "Table 2 = Table 6",
    "variants on RichpediaMEL, %",
    MEASURES,
    MappingProxyType(
        {
            "OT-MEL (OT)": (83.30, 92.39, 94.83, 88.27),
            "F1 repl. ATT": (80.60, 91.66, 94.50, 86.70),
            "F2 w/o FusM": (78.94, 90.76, 93.60, 85.42),
            "M1 repl. ATT": (81.72, 92.34, 95.06, 87.61),
            "M2 w/o UniM": (73.95, 88.12, 91.86, 81.85),
            "A1 ATT (w/o OT)": (78.33, 91.16, 94.33, 85.28),
            "O1 SoftPool → Mean": (80.80, 90.90, 93.91, 86.55),
            "O2 SoftPool → Max": (82.28, 92.35, 94.58, 87.25),
            "OT-MEL (KD)": (82.57, 92.06, 94.44, 87.78),
            "K1 KD → MSE": (81.95, 91.66, 94.22, 87.34),
            "K2 KD → UniKL": (81.84, 91.77, 94.47, 87.33),
            "K3 ATT (w/o KD)": (78.33, 91.16, 94.33, 85.28),
        }
    ),
)

DECREASE = Printed(
    "Table 2",
    "ΔAvg, average decrease in H@1 and MRR, points",
    ("ΔAvg",),
    MappingProxyType(
        {
            "F1 repl. ATT": (2.14,),
            "F2 w/o FusM": (3.61,),
            "M1 repl. ATT": (1.12,),
            "M2 w/o UniM": (7.89,),
            "A1 ATT (w/o OT)": (3.98,),
            "O1 SoftPool → Mean": (2.11,),
            "O2 SoftPool → Max": (1.02,),
            "K1 KD → MSE": (0.53,),
            "K2 KD → UniKL": (0.59,),
            "K3 ATT (w/o KD)": (3.37,),
        }
    ),
)

TABLE3 = Printed(
    "Table 3",
    "RichpediaMEL by number of objects, easy mentions left out, %",
    _over(("single", "multi", "overall")),
    MappingProxyType(
        {
            "MIMIC": (75.10, 87.82, 91.46, 82.34, 79.41, 92.78, 95.97, 86.50, 75.85, 88.69, 92.28, 83.07),
            "ATT": (76.09, 90.51, 93.71, 83.81, 75.16, 91.08, 95.12, 83.82, 71.77, 88.43, 92.58, 80.81),
            "OT-MEL (OT)": (82.28, 92.16, 94.87, 87.72, 85.56, 94.69, 96.18, 90.31, 78.82, 90.17, 93.21, 85.02),
        }
    ),
)

TABLE4 = Printed(
    "Table 4",
    "time of prediction, s",
    (RICHPEDIA, WIKIMEL, WIKIDIVERSE),
    MappingProxyType(
        {
            "MIMIC": (1033.47, 1000.12, 685.69),
            "ATT": (1093.03, 1875.24, 1543.87),
            "OT-MEL (KD)": (1842.96, 2012.95, 1595.17),
            "OT-MEL (OT)": (2175.66, 3028.11, 1841.67),
        }
    ),
)

TABLE5 = Printed(
    "Table 5",
    "statistics of the data sets",
    (RICHPEDIA, WIKIMEL, WIKIDIVERSE),
    MappingProxyType(
        {
            "Train Mentions": (12463, 18092, 11351),
            "Valid Mentions": (1780, 2585, 1664),
            "Test Mentions": (3562, 5169, 2078),
            "Mention Imgs": (15853, 22136, 6697),
            "Same Name": (15514, 616, 14827),
            "KG Entities": (160933, 109976, 132460),
            "Entity with Imgs": (86769, 67195, 67309),
        }
    ),
)

TABLE7 = Printed(
    "Table 7",
    "against the generative model, H@1 %",
    (WIKIMEL, WIKIDIVERSE),
    MappingProxyType({"GEMEL": (82.6, 86.3), "OT-MEL (OT)": (88.97, 66.07)}),
)

PRINTED = (TABLE1, TABLE2, DECREASE, TABLE3, TABLE4, TABLE5, TABLE7)


def outside_their_parts() -> list[str]:
    """Overall figures of Table 3 that lie outside their two parts, which no average of two numbers can do."""
    found = []
    for row in TABLE3.rows:
        for measure in MEASURES:
            single, multi, overall = (
                TABLE3.cell(row, f"{part} {measure}") or 0 for part in ("single", "multi", "overall")
            )
            if not min(single, multi) <= overall <= max(single, multi):
                found.append(f"{row} {measure}: {single:.2f} and {multi:.2f}, overall {overall:.2f}")
    return found
