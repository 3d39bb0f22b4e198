"""Choices that survive a switch of the language: the session keeps ids, widgets show labels."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from app.i18n import Speech

EVERY = "*"  # all of them; the empty id stands for unknown or none


def kept_choice(label: str, options: list[str], named: Callable[[str], str], key: str, say: Speech) -> str:
    """A select box whose choice survives the language switch."""
    wanted = st.session_state.get(f"{key}_id")
    chosen = st.selectbox(
        label,
        options,
        index=options.index(str(wanted)) if wanted in options else 0,
        format_func=named,
        key=f"{key}_{say.lang}",
    )
    st.session_state[f"{key}_id"] = chosen
    return str(chosen)
