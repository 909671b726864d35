"""From observation and instruction to traces, without torch."""
