"""Measures Envoy with the filter: its memory, which has a bound, and its speed beside Envoy alone.

`make bench` runs all of it. The clients and the store are of this package's own and do next to nothing, so that
what is measured is Envoy.
"""
