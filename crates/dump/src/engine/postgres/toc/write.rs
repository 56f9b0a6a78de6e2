use super::{Entry, Header, Section, Toc, Version};

pub(super) const MAGIC: &[u8] = b"PGDMP";
/// Bytes of an integer, besides its sign.
pub(super) const INT_SIZE: u8 = 4;
/// Bytes of a file offset; the directory format has none.
pub(super) const OFFSET_SIZE: u8 = 8;
/// `archTar`, not `archDirectory`: so does `pg_dump`, and so does `pg_restore` expect it.
pub(super) const COMPATIBLE_FORMAT: u8 = 3;

pub(super) fn toc(toc: &Toc) -> Vec<u8> {
    let mut out = Vec::new();
    header(&mut out, &toc.header);
    int(&mut out, length(toc.entries.len()));
    for each in &toc.entries {
        entry(&mut out, toc.header.version, each);
    }
    out
}

fn header(out: &mut Vec<u8>, header: &Header) {
    out.extend_from_slice(MAGIC);
    let minor = match header.version {
        Version::V1_14 => 14,
        Version::V1_15 => 15,
        Version::V1_16 => 16,
    };
    out.extend_from_slice(&[1, minor, 0, INT_SIZE, OFFSET_SIZE, COMPATIBLE_FORMAT]);
    if header.version < Version::V1_15 {
        int(out, header.compression);
    } else {
        out.push(header.compression.to_le_bytes()[0]);
    }
    header.created.iter().for_each(|field| int(out, *field));
    for value in [&header.database, &header.server_version, &header.client_version] {
        text(out, value.as_deref());
    }
}

fn entry(out: &mut Vec<u8>, version: Version, entry: &Entry) {
    int(out, entry.dump_id);
    int(out, i32::from(entry.had_dumper));
    text(out, Some(entry.catalogue.to_string().as_bytes()));
    text(out, Some(entry.oid.to_string().as_bytes()));
    text(out, entry.tag.as_deref());
    text(out, entry.desc.as_deref());
    int(out, section(entry.section));
    for value in [
        &entry.defn,
        &entry.drop_stmt,
        &entry.copy_stmt,
        &entry.namespace,
        &entry.tablespace,
        &entry.tableam,
    ] {
        text(out, value.as_deref());
    }
    if version >= Version::V1_16 {
        int(out, entry.relkind);
    }
    text(out, entry.owner.as_deref());
    text(out, entry.with_oids.as_deref());
    for dependency in &entry.dependencies {
        text(out, Some(dependency.to_string().as_bytes()));
    }
    text(out, None);
    text(out, entry.file_name.as_deref());
}

const fn section(section: Section) -> i32 {
    match section {
        Section::None => 1,
        Section::PreData => 2,
        Section::Data => 3,
        Section::PostData => 4,
    }
}

fn text(out: &mut Vec<u8>, text: Option<&[u8]>) {
    let Some(text) = text else { return int(out, -1) };
    int(out, length(text.len()));
    out.extend_from_slice(text);
}

fn int(out: &mut Vec<u8>, value: i32) {
    out.push(u8::from(value < 0));
    out.extend_from_slice(&value.unsigned_abs().to_le_bytes());
}

/// No text and no list of a `toc.dat` comes near 2 GiB: names and SQL, each read from a server
/// that has at most 1 GB for a value.
fn length(length: usize) -> i32 {
    i32::try_from(length).expect("a text or list of less than 2^31")
}
