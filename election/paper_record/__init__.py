"""The paper record of a ballot cast on a screen: layout, print, vocabulary (NVT-02).

In: an election, its profile, a ballot style, a language and a voter's choices. Out: where
everything stands on the record (`RecordLayout`), its PDF, and for the reader of the paper
every text that may stand on a line (`Vocabulary`). What people read on the record is what
counts; the second QR symbol repeats it only to be checked against it (NVT-07).

Doors: `design.design_record`, `render.render_record`, `vocabulary.vocabulary`,
`choices.Choices`, `choices.encode_votes`, `layout_io.dump_record_layout`.
"""

from election.paper_record.choices import Choices, decode_votes, encode_votes
from election.paper_record.design import RecordLayout, design_record
from election.paper_record.render import render_record

__all__ = [
    "Choices",
    "RecordLayout",
    "decode_votes",
    "design_record",
    "encode_votes",
    "render_record",
]
