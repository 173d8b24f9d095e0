"""The paper's tables and figures as things to run: what each needs, the runs themselves, the report beside the paper.

A target is a value (``targets``); a plan lists its runs (``plan``); each run is a process of its own (``jobs``); what
they measured becomes sections (``analyses``), which are written beside the paper's own figures (``report``).
"""
