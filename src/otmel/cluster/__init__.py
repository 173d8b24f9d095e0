"""The same commands on many machines: Ray does the work, a folder that all nodes see holds the data.

Nothing here schedules, shuffles or replicates: workers are Ray actors that load a model once, a killed one is started
again by Ray with the task that it had, and what a task wrote it writes again, the same. The driver plans what there is
to do, finds what is done already, and commits last; so it too may be killed at any time.

Nothing imports ``ray`` before it is asked for; without it, that is ``MissingExtra``.
"""
