# Received messages.
messages = Received messages
messages-by-status = By status
messages-by-channel = By channel
messages-all = All
messages-none = No message matches.
channel-all = Every channel
channel-mllp = MLLP
channel-hl7v2 = HL7 v2 files
channel-ssmix2 = SS-MIX2
channel-csv = CSV
channel-ccda = C-CDA
channel-fhir = FHIR
channel-peer = Partner
message-translated = Translated
message-quarantined = Kept aside
message-kind = Message
message-status = Status
message-outcome = Outcome
message-channel = Channel
message-received = Received
message-resources = { $n ->
    [one] { $shown } resource written
   *[other] { $shown } resources written
}
message-no-reason = No reason was recorded.
message-warnings = Worth a look
message-why = Why it was kept aside, and what to do
message-quarantine-means = The bytes are kept as received. Nothing of this message is in the record.
message-about = About this message
message-control-id = Control ID
message-size = Size
message-bytes = { $n ->
    [one] { $shown } byte
   *[other] { $shown } bytes
}
message-id = ID here
message-digest = SHA-256 of the bytes
message-source = Source
message-written = Written to the record
message-written-none = Nothing was written to the record.
message-content = Content as received
message-masked = The content is masked because it may name a patient. Showing it is recorded in the audit trail.
message-reveal = Show the content
message-revealed = You are seeing the content as received. This was recorded in the audit trail.
not-given = not given
losses = What became of each field
losses-about = Every field that held something is listed: it was mapped, kept only in the original, or dropped for the reason given.
losses-none = There is no field report for this message.
loss-mapped = Mapped
loss-kept-raw = Kept in the original
loss-dropped = Dropped
loss-source = Field
loss-outcome = Outcome
loss-target = Element, or reason
loss-reason-field-untaken = No mapping row takes this field; it is in the original only.
loss-reason-segment-untaken = No mapping row takes this segment; it is in the original only.
loss-reason-site-segment = A segment of the site’s own; it is in the original only.
loss-reason-no-place = The element that holds the field has no place for this component.
loss-reason-nulled = The sender deletes it (explicit null), so the element is left out.
loss-fields = { $n ->
    [one] { $shown } field
   *[other] { $shown } fields
}
loss-summary = { $fields }, { $lost }
loss-lost = { $n ->
    [one] { $shown } dropped
   *[other] { $shown } dropped
}

fields = Fields over all messages
fields-about = What became of each source field over all messages in the record. What is lost most often comes first: it is the next to map.
fields-none = Nothing was lost.
fields-seen = Times seen
fields-why = Why
