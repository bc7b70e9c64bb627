//! What `bss seed` is told.

use std::{
    fs,
    io::{self, Write},
    path::{Path, PathBuf},
};

use clap::Args;

use super::{
    Seeding,
    page::{self, Written},
    shelf::Shelf,
};
use crate::shell::{Failure, standard::say};

/// What `bss seed` is told.
#[derive(Debug, Args)]
pub struct Seed {
    /// The files; or one page (.html), whose images get the ids of what they show
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,
    /// Serve no faster than so much in a second, over all: 500k, 1MiB
    #[arg(long, value_name = "BYTES", value_parser = bytes)]
    limit: Option<u64>,
    /// Write the manifest of the one file there: who has it needs to trust nobody
    #[arg(long, value_name = "FILE", conflicts_with_all = PAGE)]
    manifest: Option<PathBuf>,
    /// Seed a page as a file, as it is
    #[arg(long, conflicts_with_all = PAGE)]
    as_file: bool,
    #[command(flatten)]
    page: Page,
}

/// What `bss seed --help` says beside the options.
pub const HELP: &str = "\
Prints the id of the content, which follows from its bytes; of several files each with its name. Pages fetch it by that id from whoever has it. Goes on until it is
interrupted; a file that changes is served no longer. A proxy that wants tokens wants listen=swarm-* and publish=swarm-*.

  bss seed film.mp4                                the id, and pieces for whoever asks
  bss seed --limit 1MiB --manifest film.swm film.mp4
                                                   no faster, and the list of its pieces
  bss seed site/index.html --out public/index.html --seed
                                                   a page whose images come from the swarm, and the images
  bss seed site/index.html --in-place              the page alone

In a page <img src=\"a.png\"> becomes <img data-swarm=\"ID\" data-src=\"a.png\">: nothing is loaded before its script, swarmImages, has looked in the swarm. With --keep-src
src stays. Images of other sites, and those with a srcset or in a picture, stay as they are. An id that an image has is replaced; where there is no such file any more it is
taken out, and src is back. A page none of whose images has an id, or one of whose files cannot be read, is written all the same, and ends 2 or 74; with --seed what there is is served.";

/// What is done with a page.
#[derive(Debug, Args)]
#[command(next_help_heading = "A page")]
pub struct Page {
    /// Write the page there [default: stdout]
    #[arg(long, value_name = "FILE", conflicts_with = "in_place")]
    out: Option<PathBuf>,
    /// Write the page over itself
    #[arg(long)]
    in_place: bool,
    /// The folder that / stands for in the page; nothing outside of it is read [default: the page's own]
    #[arg(long, value_name = "FOLDER")]
    root: Option<PathBuf>,
    /// Leave src where it is: the browser loads the image before any script can
    #[arg(long)]
    keep_src: bool,
    /// Then serve the images
    #[arg(long)]
    seed: bool,
}

const PAGE: [&str; 5] = ["out", "in_place", "root", "keep_src", "seed"];

impl Seed {
    /// Hashes the files, and writes the page or the manifest. What is to be served, if anything.
    pub fn prepare(self) -> Result<Option<Seeding>, Failure> {
        let Self { files, limit, manifest, as_file, page } = self;
        let shelf = match (&files[..], as_file) {
            ([file], false) if is_page(file) => {
                let (seeds, written) = (page.seed, page.write(file)?);
                if !seeds {
                    return written.verdict(file).map(|()| None);
                }
                written.shelf
            }
            _ if page.is_wanted() => {
                return Err(Failure::argument(
                    "--out, --in-place, --root, --keep-src and --seed are for one page, a file that ends in .html",
                ));
            }
            _ => Shelf::of(&files)?,
        };
        match (manifest, &files[..]) {
            (None, _) => {}
            (Some(out), [_]) => shelf.write_manifest(&out)?,
            (Some(_), _) => return Err(Failure::argument("--manifest is for one file")),
        }
        if shelf.announced().is_empty() {
            return Err(Failure::argument("the page has no image that could be seeded"));
        }
        Ok(Some(Seeding { shelf, limit }))
    }
}

impl Page {
    fn is_wanted(&self) -> bool {
        self.out.is_some() || self.in_place || self.root.is_some() || self.keep_src || self.seed
    }

    fn write(self, file: &Path) -> Result<Written, Failure> {
        let failed = |what: &str, error: &io::Error| Failure::local(format_args!("{what} {}", file.display()), error);
        let source = fs::read_to_string(file).map_err(|error| failed("cannot read", &error))?;
        let folder = folder_of(file);
        let root = self.root.unwrap_or_else(|| folder.to_path_buf());
        let place = page::Place::new(&root, folder).map_err(|error| Failure::local(root.display(), &error))?;
        let written = page::write(&source, &place, self.keep_src)?;
        written.warnings.iter().for_each(|warning| say(&format!("{}: {warning}", file.display())));
        match self.out.or_else(|| self.in_place.then(|| file.to_path_buf())) {
            Some(out) => {
                replace(&out, &written.text).map_err(|error| Failure::write(&out, &error))?;
                say(&format!("{}: {} of {} images have an id", out.display(), written.named, written.images));
                if let [first, ..] = written.missing_from(folder_of(&out))[..] {
                    say(&format!("{}: {first:?} is not where this page looks for it: copy the images beside it as well", out.display()));
                }
            }
            None => io::stdout().write_all(written.text.as_bytes()).map_err(|error| Failure::output(&error))?,
        }
        Ok(written)
    }
}

impl Written {
    /// Whether that was what was wanted of a page that is written and no more.
    fn verdict(&self, file: &Path) -> Result<(), Failure> {
        match self {
            Self { lost: lost @ 1.., images, .. } => {
                let error = io::Error::other(format!("{lost} of its {images} images cannot be read"));
                Err(Failure::local(file.display(), &error))
            }
            Self { named: 0, images: 1.., .. } => Err(Failure::argument("the page has no image that could be seeded")),
            _ => Ok(()),
        }
    }
}

/// The folder that it is in.
fn folder_of(file: &Path) -> &Path {
    file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

fn is_page(file: &Path) -> bool {
    let end = file.extension().map(|end| end.to_ascii_lowercase());
    end.is_some_and(|end| end == "html" || end == "htm")
}

/// All of it is there, or what was there before.
fn replace(file: &Path, text: &str) -> io::Result<()> {
    let mut beside = file.as_os_str().to_owned();
    beside.push(".part");
    let beside = PathBuf::from(beside);
    fs::write(&beside, text)?;
    if let Ok(metadata) = fs::metadata(file) {
        fs::set_permissions(&beside, metadata.permissions())?;
    }
    fs::rename(&beside, file)
}

/// A number of bytes, with the units that people write.
fn bytes(text: &str) -> Result<u64, String> {
    let digits = text.len() - text.trim_start_matches(|char: char| char.is_ascii_digit()).len();
    let (number, unit) = text.split_at(digits);
    let unit = match unit.trim().to_ascii_lowercase().trim_end_matches("/s") {
        "" | "b" => 1,
        "k" | "kb" => 1000,
        "kib" => 1024,
        "m" | "mb" => 1000 * 1000,
        "mib" => 1024 * 1024,
        "g" | "gb" => 1000 * 1000 * 1000,
        "gib" => 1024 * 1024 * 1024,
        _ => 0,
    };
    let bytes = number.parse::<u64>().ok().and_then(|number| number.checked_mul(unit)).filter(|&bytes| bytes > 0);
    bytes.ok_or_else(|| "write it as 500k, 1MiB or a number of bytes, not 0".into())
}

#[cfg(test)]
mod tests {
    #[test]
    fn an_amount_is_read_with_the_units_that_people_write() {
        for (text, amount) in [("1", 1), ("500k", 500_000), ("1MiB", 1 << 20), ("2 mb", 2_000_000), ("1GiB/s", 1 << 30), ("64KiB", 65_536)]
        {
            assert_eq!(super::bytes(text), Ok(amount), "{text}");
        }
        for text in ["", "0", "k", "1x", "-1", "99999999999999999999", "18446744073709551615k"] {
            assert!(super::bytes(text).is_err(), "{text}");
        }
    }
}
