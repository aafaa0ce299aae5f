"""An extension of the Chaos Toolkit: actions, probes and a control, for `pip install bustedwall[chaos]`.

It asks a run by its control API, as `bustedwall.Client` does. Nothing else of bustedwall imports it.
"""
