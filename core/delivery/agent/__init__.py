"""What runs on a target during a deployment: sent over the exec channel, standard library only.

The modules are sent as text in the order of :data:`MODULES` and need nothing on the host but a Python
3.9 or newer. One action each time: one JSON line of parameters on standard input (raw bytes may
follow), one JSON line as the answer.
"""

MODULES = ("ground", "files", "install", "server", "channel", "main")
