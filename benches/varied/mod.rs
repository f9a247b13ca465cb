//! Messages of the same kind about other patients: what a feed looks like, where codes, units and senders recur and nothing
//! else does.

/// Fields of numbers and names: other digits, but for the first, and other letters of the same length.
const TOLD: [(&str, usize); 16] = [
    ("MSH", 10),
    ("PID", 3),
    ("PID", 5),
    ("PID", 11),
    ("PID", 13),
    ("PID", 18),
    ("PID", 19),
    ("NK1", 2),
    ("PV1", 19),
    ("ORC", 2),
    ("ORC", 3),
    ("OBR", 2),
    ("OBR", 3),
    ("OBX", 5),
    ("SPM", 2),
    ("IN1", 36),
];
/// Fields of times: another minute.
const TIMES: [(&str, usize); 12] = [
    ("MSH", 7),
    ("EVN", 2),
    ("PV1", 44),
    ("ORC", 9),
    ("OBR", 7),
    ("OBR", 14),
    ("OBR", 22),
    ("OBX", 14),
    ("OBX", 19),
    ("SPM", 17),
    ("SPM", 18),
    ("TQ1", 7),
];

/// The message about another patient: other identifiers, name, address, numbers of orders, values and minutes, in the first
/// component of the fields above. Results are varied where they are numbers.
pub fn varied(message: &[u8], number: u64) -> Vec<u8> {
    let mut random = number.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let end = if message.contains(&b'\r') { b'\r' } else { b'\n' };
    let segments = message.split(|byte| *byte == end).map(|segment| {
        let fields: Vec<&[u8]> = segment.split(|byte| *byte == b'|').collect();
        let name = fields.first().map_or(&b""[..], |name| name.trim_ascii());
        let is_number = fields.get(2).is_some_and(|kind| *kind == b"NM");
        let fields = fields.iter().enumerate().map(|(at, field)| {
            // MSH-1 is the delimiter itself.
            let at = if name.ends_with(b"MSH") { at + 1 } else { at };
            let is_of = |list: &[(&str, usize)]| {
                list.iter().any(|(segment, field)| name.ends_with(segment.as_bytes()) && *field == at)
            };
            let is_told = is_of(&TOLD) && (is_number || !name.ends_with(b"OBX"));
            match () {
                () if is_told => told(field, &mut random),
                () if is_of(&TIMES) => timed(field, &mut random),
                () => field.to_vec(),
            }
        });
        fields.collect::<Vec<_>>().join(&b'|')
    });
    segments.collect::<Vec<_>>().join(&end)
}

fn told(field: &[u8], random: &mut u64) -> Vec<u8> {
    let first = field.iter().position(|byte| *byte == b'^').unwrap_or(field.len());
    let mut told = field.to_vec();
    // Escape sequences of a Japanese character set are no letters.
    if field.contains(&0x1b) {
        return told;
    }
    for byte in told.iter_mut().take(first).skip(1) {
        match byte {
            b'0'..=b'9' => *byte = b'0' + next(random, 10),
            b'A'..=b'Z' => *byte = b'A' + next(random, 26),
            _ => {}
        }
    }
    told
}

/// `YYYYMMDDHHMM`: the last digit of the minutes.
fn timed(field: &[u8], random: &mut u64) -> Vec<u8> {
    let mut timed = field.to_vec();
    if field.len() >= 12 && field.iter().take(12).all(u8::is_ascii_digit) {
        timed[11] = b'0' + next(random, 10);
    }
    timed
}

/// Xorshift.
fn next(random: &mut u64, below: u8) -> u8 {
    *random ^= *random << 13;
    *random ^= *random >> 7;
    *random ^= *random << 17;
    (*random >> 32) as u8 % below
}
