"""Trying policies on stored records: backtest, diff, the search for a threshold. Writes nothing, sees no media."""
