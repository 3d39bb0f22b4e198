"""The colours of pages and report: one meaning, one colour."""

MODEL = "#2563eb"
PEER = "#b6c2d1"
GOOD = "#2f9e77"
BAD = "#d9534f"
WARM = "#e08a2e"
INK = "#1f2937"
MUTED = "#64748b"
FAINT = "#e5e9f0"
# below the base, at the base, above the base
DIVERGING = ("#2166ac", "#92c5de", "#f6f7f9", "#f4a582", "#b2182b")
SEQUENTIAL = ("#f4f7fd", "#bcd3fb", "#7ea8f8", "#2563eb")
REASONS = ("#c9d3df", "#e8b27d", "#d98880", "#a9a3d4", "#8fb8c9", "#d6c27a", "#b79a86", "#98a5b5")
