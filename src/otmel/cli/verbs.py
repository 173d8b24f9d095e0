"""The verbs of the command line, in the order in which ``otmel --help`` lists them.

A verb's module is imported when the verb is called, and not before; nor may that module import torch, transformers,
scikit-learn or matplotlib outside a function, so that its own ``--help`` is quick too.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Verb:
    """One verb.

    Attributes:
        name: the word to type; two words (``data check``) for a verb of a group.
        place: ``module:function``. The function's signature is the verb's options, its ``Args`` their help; it returns
            ``None``, or the exit status.
        summary: what it does: one sentence for the list, and more after an empty line for the verb's own page.
        examples: commands that work.
    """

    name: str
    place: str
    summary: str
    examples: tuple[str, ...]


GROUPS = {
    "data": "Look at data sets, or generate one.",
    "graph": "Keep a graph of one's own: build, change, check and export it.",
    "index": "Encode a graph once, and keep it on the disk for linking.",
}

VERBS = (
    Verb(
        "demo",
        "otmel.cli.demo:demo",
        "Generate a world, train on it, and link a mention, in at most five minutes on two cores.\n\n"
        "Trains the linker twice, with transport and with attention, prints how well each links, draws a transport "
        "plan, writes a report in HTML and links three mentions.",
        ("otmel demo", "otmel demo --out demo --seed 1"),
    ),
    Verb(
        "data check",
        "otmel.cli.data_check:data_check",
        "Report what a data set holds, and what is wrong with it.\n\n"
        "Counts, dangling ids, image coverage, ambiguity of the names, leakage between the splits, and statistics of "
        "tokens and objects. Reads a folder in MIMIC's format, a folder of one's own tables, or MELBench's archives.",
        (
            "otmel data check data/WikiMEL",
            "otmel data check data/WikiMEL --no-decode --plot report.png",
            "otmel data check data/WikiMEL --json > report.json",
        ),
    ),
    Verb(
        "data info",
        "otmel.cli.data_info:data_info",
        "Print how many entities, mentions and images a data set has, in a second.",
        ("otmel data info data/WikiMEL", "otmel data info data/WikiMEL --json"),
    ),
    Verb(
        "data world",
        "otmel.cli.data_world:data_world",
        "Generate a benchmark of people with shared names, and write it in MIMIC's format.\n\n"
        "The same seed gives the same files.",
        ("otmel data world --out data/world", "otmel data world --out data/world --seed 7 --set entities=200"),
    ),
    Verb(
        "graph build",
        "otmel.cli.graph_change:graph_build",
        "Build a graph from JSONL, CSV, Parquet, MIMIC's format or a dump of Wikidata.\n\n"
        "Rows that cannot be used are listed in rejects.jsonl in the graph's folder, with row and reason. The same "
        "command goes on where it was interrupted.",
        (
            "otmel graph build entities.jsonl --out my.kg",
            "otmel graph build data/WikiMEL --out wikimel.kg --images path",
            "otmel graph build latest-all.json.gz --out wikidata.kg --format wikidata --language de --claims P106",
        ),
    ),
    Verb(
        "graph upsert",
        "otmel.cli.graph_change:graph_upsert",
        "Insert entities into a graph, and replace those whose id it has, in one commit.\n\n"
        "Replaced entities keep their row. What does not change is not written.",
        ("otmel graph upsert my.kg new.jsonl", "otmel graph upsert my.kg new.csv --strict --wait 60"),
    ),
    Verb(
        "graph delete",
        "otmel.cli.graph_change:graph_delete",
        "Delete entities of a graph by their ids, in one commit.\n\nIds that it does not have are counted.",
        ("otmel graph delete my.kg Q42 Q64", "otmel graph delete my.kg --file gone.txt"),
    ),
    Verb(
        "graph info",
        "otmel.cli.graph_look:graph_info",
        "Say what a graph holds: entities, snapshots, size, and what an interrupted command left.",
        ("otmel graph info my.kg", "otmel graph info my.kg --json"),
    ),
    Verb(
        "graph verify",
        "otmel.cli.graph_look:graph_verify",
        "Read a graph to its last byte, and name the file and the place of all damage.\n\n"
        "Exit status: 0 sound, 1 damaged.",
        ("otmel graph verify my.kg", "otmel graph verify my.kg --json > damage.json"),
    ),
    Verb(
        "graph export",
        "otmel.cli.graph_look:graph_export",
        "Write a graph to a JSONL, Parquet or CSV file, its images to a folder beside.",
        ("otmel graph export my.kg my.jsonl", "otmel graph export my.kg before.parquet --snapshot 3"),
    ),
    Verb(
        "graph snapshots",
        "otmel.cli.graph_look:graph_snapshots",
        "List the snapshots of a graph: one for every commit.",
        ("otmel graph snapshots my.kg", "otmel graph snapshots my.kg --json"),
    ),
    Verb(
        "graph expire",
        "otmel.cli.graph_expire:graph_expire",
        "Drop old snapshots of a graph, and the files that only they need.\n\nThe newest always stays.",
        ("otmel graph expire my.kg --keep 3", "otmel graph expire my.kg --older-than 30 --compact"),
    ),
    Verb(
        "pretrain",
        "otmel.cli.pretrain:pretrain",
        "Train a small encoder on a data set's own texts and images.\n\n"
        "For data without pretrained weights: a BPE and a small CLIP, learned by contrasting entities, training "
        "mentions and captions with their images. With --text, a vision tower beside a pretrained text tower. The same "
        "command goes on where it was interrupted.",
        (
            "otmel pretrain data/world --out encoders/world",
            "otmel pretrain data/world --out encoders/world --text minilm --set steps=400",
        ),
    ),
    Verb(
        "train",
        "otmel.cli.train:train",
        "Train a linker, or go on with an interrupted run.\n\n"
        "Settings start from a preset; a file, the options and --set change them, in this order. Several processes "
        "share the work under torchrun.",
        (
            "otmel train data/world --out runs/world --encoder encoders/world",
            "otmel train data/world --out runs/kd --encoder encoders/world --variant kd --set training.epochs=10",
            "otmel train data/WikiMEL --out runs/wikimel --config configs/paper-wikimel.toml",
            "otmel train data/world --out runs/world --resume",
        ),
    ),
    Verb(
        "evaluate",
        "otmel.cli.evaluate:evaluate",
        "Rank every mention of a split against all entities, with name match beside it.\n\n"
        "Prints H@k, MRR and mean rank, under all tie policies and by each part of the score alone, and writes the "
        "results with one row per mention. Of a calibrated run (otmel calibrate), also accuracy with NIL as an answer.",
        (
            "otmel evaluate runs/world",
            "otmel evaluate runs/world data/world --split test --slices",
            "otmel evaluate runs/world --format markdown > table.md",
        ),
    ),
    Verb(
        "calibrate",
        "otmel.cli.calibrate:calibrate",
        "Learn from a split how sure the run's links are, and from what doubt on a mention is called NIL.\n\n"
        "Afterwards every link of the run has a probability, and says NIL where its best entity is less probable than "
        "the threshold (otmel link, otmel evaluate). Scores become probabilities by a temperature or by isotonic "
        "regression, whichever loses less on mentions that it has not seen. All printed figures are of such mentions: "
        "calibration error before and after, risk against coverage, and what becomes of mentions whose entity is "
        "removed from the graph. Plots and figures are kept in RUN/calibration.",
        (
            "otmel calibrate runs/world",
            "otmel calibrate runs/world --data data/world --split dev --index my.index --precision 0.98",
            "otmel calibrate runs/world --threshold nil --nil-share 0.3 --json > calibration.json",
        ),
    ),
    Verb(
        "generate",
        "otmel.cli.generate:generate",
        "Link by writing the entity's name, and say what entities of one name do to the result.\n\n"
        "For a run of a generative system (otmel train --system gemel). Its language model writes names of the graph "
        "and nothing else. H@1 is printed under three rules: the name alone counts, as published figures of such "
        "systems have it; one of the name's entities is drawn; the model's first stage chooses among them. Beside it "
        "stands how many entities and mentions this concerns.",
        (
            "otmel generate runs/gemel",
            "otmel generate runs/gemel data/world --split test --beams 10 --out names.jsonl",
            "otmel generate runs/gemel --limit 50 --json",
        ),
    ),
    Verb(
        "compare",
        "otmel.cli.compare:compare",
        "Compare evaluated runs: paired differences with intervals, and whether these contain 0.\n\n"
        "Runs that differ in nothing but the seed are one system. Name match is compared with too.",
        (
            "otmel compare runs/ot runs/kd",
            "otmel compare OT=runs/ot-0 OT=runs/ot-1 ATT=runs/att-0 ATT=runs/att-1 --baseline ATT --split test",
            "otmel compare runs/ot runs/kd --method mentions --measures H@1,H@5,MRR --plot differences.png",
        ),
    ),
    Verb(
        "reproduce",
        "otmel.cli.reproduce:reproduce",
        "Reproduce a table or a figure of the paper: run what is missing, and report it beside the paper's figures.\n\n"
        "table1 is every system, table2 and table6 the variants, table3 single and several objects, table4 the time "
        "of prediction, table5 and figure7 the data, table7 the generative system, figure3 the entropy of the plans, "
        "figure4 two matrices, figure6 short and long texts; low-resource and text-composition are not the paper's. "
        "Each run is a process of its own; the same command goes on where it was interrupted or killed, to the same "
        "numbers. The report is Markdown, LaTeX, CSV, JSON and pictures, in OUT/TARGET.",
        (
            "otmel reproduce table1 --scale tiny --out reproduction --dry-run",
            "otmel reproduce table2 --scale tiny --seeds 3 --out reproduction",
            "otmel reproduce table1 --scale tiny --data data/world --data congress-mel --jobs 2",
            "otmel reproduce table1 --data data/WikiMEL --data data/WikiDiverse --seeds 5 --out reproduction",
            "otmel reproduce table3 --data data/RichpediaMEL --detector hustvl/yolos-tiny",
        ),
    ),
    Verb(
        "models",
        "otmel.cli.models:models",
        "List the presets and the variants of the model.",
        ("otmel models", "otmel models --json"),
    ),
    Verb(
        "index build",
        "otmel.cli.index_change:index_build",
        "Encode every entity of a graph with a run, once, and keep it on the disk.\n\n"
        "The same command goes on where it was interrupted. What is there already, encoded by the same run, is checked "
        "and stays; what is damaged is encoded anew.",
        (
            "otmel index build runs/world --graph my.kg --out my.index",
            "otmel index build runs/world --graph my.kg --out my.index --dtype float16 --memory-limit 4GiB",
            "otmel index build runs/world --graph my.kg --out my.index --engine ray --address 10.0.0.5:6379",
        ),
    ),
    Verb(
        "index update",
        "otmel.cli.index_change:index_update",
        "Bring an index to the state of its graph: encode what is new or changed, mask what is deleted.\n\n"
        "The result answers as one that is built from nothing does, to the last bit.",
        ("otmel index update runs/world --graph my.kg --out my.index",),
    ),
    Verb(
        "index info",
        "otmel.cli.index_look:index_info",
        "Say what an index holds, of what it was made, and what takes how much.",
        ("otmel index info my.index", "otmel index info my.index --json"),
    ),
    Verb(
        "index verify",
        "otmel.cli.index_look:index_verify",
        "Read an index to its last byte, and name the file and the place of all damage.\n\n"
        "Exit status: 0 sound, 1 damaged.",
        ("otmel index verify my.index", "otmel index verify my.index --json > damage.json"),
    ),
    Verb(
        "link",
        "otmel.cli.link:link",
        "Link a mention, a file of them, or a file of documents to the entities of a graph.\n\n"
        'Of one mention (otmel link RUN "Clara Keller" --context "Clara Keller won.") the best entities are shown, '
        "with their scores and what each part of the model adds: F fusion, T text, V image, N name.\n\n"
        "A file gives one JSON line per row, in the same order; where a row cannot be linked, its error.\n\n"
        'Documents are rows like {"id": "a", "text": "Keller won.", "image": "a.jpg", "mentions": [[0, 6]]}, with '
        "places in characters; mentions may have an image of their own, and --detect finds those that are not given. A "
        "run that is interrupted goes on by the same command.",
        (
            "otmel link runs/world Keller --image scene.jpg",
            "otmel link runs/world --input mentions.jsonl --output links.jsonl --graph data/world",
            "otmel link runs/world --input - -k 1 > links.jsonl",
            "otmel link runs/world --documents documents.jsonl --output links.jsonl --detect dictionary",
            "otmel link runs/world --graph my.kg --index my.index --input mentions --output links --engine ray",
        ),
    ),
    Verb(
        "explain",
        "otmel.cli.explain:explain",
        "Show why a mention is linked as it is: the terms that add up to the score, and every plan.\n\n"
        "A plan says which tokens and patches receive how much from which. Pictures show it over the images.",
        (
            "otmel explain runs/world Keller --image scene.jpg --out why.png",
            "otmel explain runs/world --data data/world --mention-id dev-7 --out why.html",
            "otmel explain runs/world --data data/world --mention-id dev-7 --entity Q42 --json > why.json",
        ),
    ),
    Verb(
        "serve",
        "otmel.cli.serve:serve",
        "Serve a run over a graph: an HTTP API with a description (OpenAPI), and a page to look at.\n\n"
        "Changes of a graph's folder (otmel graph upsert) are taken over while it is served. With a token, entities "
        "can be put and deleted through the API. SIGTERM and Ctrl-C let requests in flight end.",
        (
            "otmel serve runs/world --graph my.kg",
            "otmel serve runs/world --graph my.kg --index my.index --host 0.0.0.0 --port 8080 --set queue=4096",
            "otmel serve runs/world --graph my.kg --token-file token.txt --image-hosts upload.wikimedia.org",
        ),
    ),
)
