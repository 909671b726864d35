"""The TraceGen network. ``config``, ``text_tokens`` and ``time_shift`` need numpy only; the rest needs torch."""
