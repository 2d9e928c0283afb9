"""The script engine on QuickJS: a pool of confined worker processes forked from one prepared parent.

``pool`` and ``process`` live in the server; ``zygote``, ``worker`` and ``sandbox`` in the processes it
starts, which import next to nothing: each module there is memory.
"""
