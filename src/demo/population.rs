//! Some hundreds of invented patients for each hospital, in its own country's codes and units, so that a cohort question
//! has a real answer. The same every time: the generator has a fixed seed. What the question should find is counted
//! here, from the generated people, and not from what the nodes made of them.

use std::fmt::Write as _;
use std::path::Path;

use super::DemoError;
use super::samples::write_storage;

/// Patients generated for each hospital.
const PATIENTS: u32 = 300;
/// The day on which the demo's question reckons ages.
const AGE_DAY: (i16, i8, i8) = (2026, 11, 1);

/// Somebody invented.
struct Invented {
    number: String,
    family: (&'static str, &'static str),
    given: (&'static str, &'static str),
    female: bool,
    born: (i16, i8, i8),
    diabetes: bool,
    kidney_disease: bool,
    /// HbA1c in tenths of a percent (NGSP).
    hba1c_tenths: u32,
    /// Toronto: reported in mmol/mol (IFCC) instead.
    hba1c_ifcc: bool,
    /// Glucose, mg/dL.
    glucose: u32,
    /// Creatinine, hundredths of mg/dL.
    creatinine: u32,
    /// Total cholesterol, mg/dL.
    cholesterol: u32,
    /// Haemoglobin, tenths of g/dL.
    haemoglobin: u32,
}

/// Toronto: patients, conditions and results as a hospital exports them to CSV.
pub(super) fn write_toronto(folder: &Path) -> Result<(), DemoError> {
    let mut patients = "mrn,family_name,given_name,birth_date,sex,postal_code,city,province\n".to_owned();
    let mut conditions = "mrn,code,code_name,onset,status\n".to_owned();
    let mut labs = "mrn,result_id,loinc,display,value,unit,collected_at,status\n".to_owned();
    for person in people("LS1", TORONTO_NAMES, TORONTO_GIVEN) {
        let number = &person.number;
        let (family, given, born) = (person.family.0, person.given.0, date(person.born, "-"));
        let sex = if person.female { "F" } else { "M" };
        let _ = writeln!(patients, "{number},{family},{given},{born},{sex},M5V 2T6,Toronto,ON");
        for (code, display, has) in [
            ("E11.9", "Type 2 diabetes mellitus without complications", person.diabetes),
            ("N18.3", "Chronic kidney disease, stage 3", person.kidney_disease),
        ] {
            if has {
                let _ = writeln!(conditions, "{number},{code},\"{display}\",2019-05-02,active");
            }
        }
        for (code, display, value, unit) in toronto_results(&person) {
            let _ =
                writeln!(labs, "{number},{number}-{code},{code},{display},{value},{unit},2026-10-09T08:15:00,final");
        }
    }
    let failed = |cause| DemoError::Folder { path: folder.display().to_string(), cause };
    std::fs::create_dir_all(folder).map_err(failed)?;
    // Patients first: a condition or result of an unknown patient would make a bare one.
    for (name, text) in [("1-patients.csv", patients), ("2-conditions.csv", conditions), ("3-labs.csv", labs)] {
        std::fs::write(folder.join(name), text).map_err(failed)?;
    }
    Ok(())
}

/// Canadian units: mmol/L, umol/L, g/L; HbA1c in percent or in mmol/mol.
fn toronto_results(person: &Invented) -> Vec<(&'static str, &'static str, String, &'static str)> {
    let hba1c = if person.hba1c_ifcc {
        ("59261-8", "Hemoglobin A1c (IFCC)", ifcc(person.hba1c_tenths).to_string(), "mmol/mol")
    } else {
        ("4548-4", "Hemoglobin A1c", tenths(person.hba1c_tenths), "%")
    };
    vec![
        hba1c,
        ("14749-6", "Glucose", tenths(person.glucose * 10 / 18), "mmol/L"),
        ("14682-9", "Creatinine", (person.creatinine * 884 / 1000).to_string(), "umol/L"),
        ("14647-2", "Cholesterol", tenths(person.cholesterol * 10 * 259 / 10_000), "mmol/L"),
        ("718-7", "Hemoglobin", person.haemoglobin.to_string(), "g/L"),
    ]
}

/// Tokyo: an SS-MIX2 tree with basics, problems and results.
pub(super) fn write_tokyo(root: &Path) -> Result<(), DemoError> {
    for (place, person) in (1u32..).zip(people("00200", TOKYO_NAMES, TOKYO_GIVEN)) {
        let number = person.number.as_str();
        let stamp = format!("20261015{:02}{:02}00000", 8 + place / 60 % 10, place % 60);
        let basics = format!(
            "{}EVN||{}\n{}PV1|0001|O|01^^^^^C\n",
            header("ADT^A08^ADT_A01", number, "A"),
            &stamp[..14],
            pid(&person, true)
        );
        write_storage(root, number, "-", "ADT-00", "999999999999999", &stamp, &basics)?;
        if person.diabetes || person.kidney_disease {
            let order = format!("{place:015}");
            write_storage(root, number, "-", "PPR-01", &order, &stamp, &problems(&person, &order))?;
        }
        let order = format!("7{place:014}");
        write_storage(root, number, "20261015", "OML-11", &order, &stamp, &tokyo_results(&person, &order))?;
    }
    Ok(())
}

fn header(kind: &str, number: &str, suffix: &str) -> String {
    format!(
        "MSH|^~\\&|SUMIDA-HIS|SUMIDA|WATARI|SUMIDA|20261015120000.000||{kind}|{number}{suffix}|P|2.5||||||~ISO IR87||ISO 2022-1994\
         |SS-MIX2_1.20^SS-MIX2^1.2.392.200250.2.1.100.1.2.120^ISO\n"
    )
}

fn pid(person: &Invented, with_address: bool) -> String {
    let sex = if person.female { "F" } else { "M" };
    let address = if with_address { "|||^^^^130-0011^JPN^H^東京都墨田区石原五丁目３−３" } else { "" };
    format!(
        "PID|0001||{}^^^^PI||{}^{}^^^^^L^I~{}^{}^^^^^L^P||{}|{sex}{address}\n",
        person.number,
        person.family.0,
        person.given.0,
        person.family.1,
        person.given.1,
        date(person.born, "")
    )
}

fn problems(person: &Invented, order: &str) -> String {
    let mut text = header("PPR^ZD1^PPR_ZD1", &person.number, "P") + &pid(person, false);
    let listed =
        [("20070001", "2型糖尿病", "E119", person.diabetes), ("20070002", "慢性腎臓病", "N183", person.kidney_disease)];
    for (place, (key, name, code, _)) in (1..).zip(listed.into_iter().filter(|(.., has)| *has)) {
        let _ = writeln!(
            text,
            "PRB|AD|20190502|{key}^{name}^MDCDX2|{order}{place}|||20190502||20190502|{code}^^I10^O^外来時^JHSD0004||||N^回復せず^HL70241|20190502|20190502"
        );
    }
    let _ = writeln!(text, "ORC|NW|{order}");
    text
}

/// Japanese units: mg/dL, g/dL; HbA1c in percent (NGSP).
fn tokyo_results(person: &Invented, order: &str) -> String {
    let mut text = header("OUL^R22^OUL_R22", &person.number, "L") + &pid(person, false) + "PV1|0001|O|01^^^^^C\n";
    let _ = writeln!(text, "SPM|1|{order}||023^血清^JC10|||||||||||||202610150830");
    let _ = writeln!(
        text,
        "OBR|1|{order}|{order}|E001^生化学検査^99SM2|||202610150830|202610150830||||||||||||||20261015110000"
    );
    let _ = writeln!(text, "ORC|SC|{order}|{order}||CM||||20261015110000");
    let results = [
        ("3D046000001906202", "HbA1c(NGSP)", tenths(person.hba1c_tenths), "%"),
        ("3D010000002327101", "グルコース", person.glucose.to_string(), "mg/dl"),
        ("3C015000002327101", "クレアチニン", hundredths(person.creatinine), "mg/dl"),
        ("3F050000002327101", "総コレステロール", person.cholesterol.to_string(), "mg/dl"),
        ("2A030000001930901", "ヘモグロビン", tenths(person.haemoglobin), "g/dl"),
    ];
    for (place, (code, name, value, unit)) in (1..).zip(results) {
        let _ = writeln!(text, "OBX|{place}|NM|{code}^{name}^JC10||{value}|{unit}^{unit}^99SM3|||||F|||202610150830");
    }
    text
}

/// What the demo's question should find among Toronto's generated patients.
pub(super) fn expected_in_toronto() -> u64 {
    let people = people("LS1", TORONTO_NAMES, TORONTO_GIVEN);
    people.iter().filter(|person| meets(person, person.hba1c_ifcc)).count() as u64
}

/// What the demo's question should find among Tokyo's generated patients.
pub(super) fn expected_in_tokyo() -> u64 {
    let people = people("00200", TOKYO_NAMES, TOKYO_GIVEN);
    people.iter().filter(|person| meets(person, false)).count() as u64
}

/// Type 2 diabetes, HbA1c at least 7 % (53 mmol/mol), 40-75 years, no chronic kidney disease.
fn meets(person: &Invented, ifcc_reported: bool) -> bool {
    let high = if ifcc_reported { ifcc(person.hba1c_tenths) >= 53 } else { person.hba1c_tenths >= 70 };
    person.diabetes && high && (40..=75).contains(&age(person.born)) && !person.kidney_disease
}

fn age(born: (i16, i8, i8)) -> i16 {
    let had_birthday = (born.1, born.2) <= (AGE_DAY.1, AGE_DAY.2);
    AGE_DAY.0 - born.0 - i16::from(!had_birthday)
}

/// IFCC mmol/mol of an NGSP value in tenths of a percent, rounded: (NGSP − 2.152) / 0.09148.
fn ifcc(tenths: u32) -> u32 {
    (tenths * 10_000 - 215_200 + 4_574) / 9_148
}

fn people(
    prefix: &str,
    families: &[(&'static str, &'static str)],
    given: [&[(&'static str, &'static str)]; 2],
) -> Vec<Invented> {
    let mut dice = Dice(0x5741_5441_5249 ^ u64::from(prefix.len() as u32));
    (0..PATIENTS)
        .map(|place| {
            let female = dice.below(2) == 1;
            let names = given[usize::from(female)];
            let born_year = 1940 + dice.below(66);
            let older = born_year < 1975;
            let diabetes = dice.below(100) < if older { 45 } else { 15 };
            Invented {
                number: format!("{prefix}{place:05}"),
                family: families[dice.below(families.len() as u32) as usize],
                given: names[dice.below(names.len() as u32) as usize],
                female,
                born: (born_year as i16, 1 + dice.below(12) as i8, 1 + dice.below(28) as i8),
                diabetes,
                kidney_disease: dice.below(100) < if older { 12 } else { 3 },
                hba1c_tenths: if diabetes { 60 + dice.below(35) } else { 48 + dice.below(14) },
                hba1c_ifcc: dice.below(2) == 1,
                glucose: if diabetes { 105 + dice.below(120) } else { 75 + dice.below(35) },
                creatinine: 55 + dice.below(70),
                cholesterol: 140 + dice.below(120),
                haemoglobin: 105 + dice.below(60),
            }
        })
        .collect()
}

/// A small linear congruential generator (Knuth's MMIX constants): the demo needs sameness, not secrecy.
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: u32) -> u32 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 33) % u64::from(limit.max(1))) as u32
    }
}

fn date((year, month, day): (i16, i8, i8), between: &str) -> String {
    format!("{year:04}{between}{month:02}{between}{day:02}")
}

fn tenths(value: u32) -> String {
    format!("{}.{}", value / 10, value % 10)
}

fn hundredths(value: u32) -> String {
    format!("{}.{:02}", value / 100, value % 100)
}

const TORONTO_NAMES: &[(&str, &str)] = &[
    ("Tremblay", ""),
    ("Nguyen", ""),
    ("Singh", ""),
    ("Côté", ""),
    ("MacDonald", ""),
    ("Bélanger", ""),
    ("O'Brien", ""),
    ("Kowalczyk", ""),
    ("Whiteduck", ""),
    ("Lefèbvre", ""),
];
const TORONTO_GIVEN: [&[(&str, &str)]; 2] = [
    &[("François", ""), ("Liam", ""), ("Arjun", ""), ("Minh", ""), ("Benoît", "")],
    &[("Zoé", ""), ("Olivia", ""), ("Priya", ""), ("Linh", ""), ("Noémie", "")],
];
const TOKYO_NAMES: &[(&str, &str)] = &[
    ("渡辺", "ワタナベ"),
    ("渡邊", "ワタナベ"),
    ("佐藤", "サトウ"),
    ("高橋", "タカハシ"),
    ("大野", "オオノ"),
    ("八田", "ハッタ"),
    ("新橋", "シンバシ"),
    ("小野寺", "オノデラ"),
    ("長谷川", "ハセガワ"),
    ("本田", "ホンダ"),
];
const TOKYO_GIVEN: [&[(&str, &str)]; 2] = [
    &[("健", "ケン"), ("純一郎", "ジュンイチロウ"), ("大輔", "ダイスケ"), ("誠", "マコト"), ("翔太", "ショウタ")],
    &[("花子", "ハナコ"), ("陽子", "ヨウコ"), ("美咲", "ミサキ"), ("裕子", "ユウコ"), ("千代", "チヨ")],
];
