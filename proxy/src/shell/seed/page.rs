//! Puts the ids of a page's images into it, and changes nothing else.
//!
//! `<img src="a.png">` becomes `<img data-swarm="ID" data-src="a.png">`: nothing is loaded before the page's script has looked for it in the swarm, and what is not there it
//! loads from where it was. Where the file is not there any more it becomes what it was.

use std::{
    collections::BTreeMap,
    io,
    ops::Range,
    path::{Path, PathBuf},
};

use browser_stream_client::swarm::ContentId;
use html5gum::{DefaultEmitter, Token, Tokenizer};
use percent_encoding::percent_decode_str;

use super::shelf::Shelf;
use crate::shell::Failure;

/// Where a page is, and what belongs to it.
pub struct Place {
    root: PathBuf,
    folder: PathBuf,
}

/// A page with ids in it.
pub struct Written {
    pub text: String,
    /// The images that it shows.
    pub shelf: Shelf,
    /// How many there are, how many of them have an id, and of how many the file cannot be read.
    pub images: usize,
    pub named: usize,
    pub lost: usize,
    /// Where those with an id are, seen from the page.
    pub beside: Vec<String>,
    pub warnings: Vec<String>,
}

/// An image as it stands in the page: its attributes, and where each begins.
struct Image {
    attributes: BTreeMap<String, (String, usize)>,
    /// It stands for a `<picture>`, whose sources the browser prefers.
    is_of_picture: bool,
}

impl Place {
    /// A page in this folder, of a site that this folder is the root of.
    pub fn new(root: &Path, folder: &Path) -> io::Result<Self> {
        Ok(Self { root: root.canonicalize()?, folder: folder.canonicalize()? })
    }

    /// The file that an address of the page means, or why there is none.
    fn file(&self, address: &str) -> Result<PathBuf, String> {
        let path = path(address).ok_or("its address is no UTF-8")?;
        let file = match path.strip_prefix('/') {
            Some(below) => self.root.join(below),
            None => self.folder.join(&path),
        };
        let file = file.canonicalize().map_err(|error| format!("there is no {}: {error}", file.display()))?;
        if !file.starts_with(&self.root) {
            return Err(format!("it is outside of {}: say with --root which folder the page's site is", self.root.display()));
        }
        Ok(file)
    }
}

impl Written {
    /// Addresses of images that are not there, seen from a page in this folder.
    pub fn missing_from(&self, folder: &Path) -> Vec<&str> {
        let is_missing = |address: &&str| !path(address).is_some_and(|path| folder.join(path).is_file());
        self.beside.iter().map(String::as_str).filter(is_missing).collect()
    }
}

/// The path in an address; nothing where it is no UTF-8.
fn path(address: &str) -> Option<String> {
    let path = address.split(['?', '#']).next().unwrap_or_default();
    Some(percent_decode_str(path).decode_utf8().ok()?.into_owned())
}

/// Whether an address leads away from the page's site, or is an image itself.
fn leads_away(address: &str) -> bool {
    let scheme = address.split_once(':').is_some_and(|(scheme, _)| {
        scheme.starts_with(|char: char| char.is_ascii_alphabetic())
            && scheme.chars().all(|char| char.is_ascii_alphanumeric() || "+-.".contains(char))
    });
    scheme || address.starts_with("//") || address.starts_with('\\')
}

/// Writes the ids of the images into a page.
pub fn write(source: &str, place: &Place, keeps_src: bool) -> Result<Written, Failure> {
    let images = images(source)?;
    let mut written = Written {
        text: String::with_capacity(source.len()),
        shelf: Shelf::new(),
        images: images.len(),
        named: 0,
        lost: 0,
        beside: Vec::new(),
        warnings: Vec::new(),
    };
    let mut changes = Vec::new();
    for image in images {
        match image.fate(source, place, keeps_src, &written.shelf) {
            Fate::Named { address, changes: its } => {
                written.named += 1;
                written.beside.extend(Some(address).filter(|address| !address.starts_with('/')));
                changes.extend(its);
            }
            Fate::Left(why) => written.warnings.push(why),
            Fate::Lost { changes: its, why } => {
                written.lost += 1;
                written.warnings.push(why);
                changes.extend(its);
            }
        }
    }
    let mut done = 0;
    for (place, text) in changes {
        written.text += &source[done..place.start];
        written.text += &text;
        done = place.end;
    }
    written.text += &source[done..];
    Ok(written)
}

/// The bytes at this place become that text.
type Change = (Range<usize>, String);

/// What becomes of an image: changes are in order.
enum Fate {
    /// It has the id of what is in its file.
    Named { address: String, changes: Vec<Change> },
    /// It is none that could have an id.
    Left(String),
    /// There is no such file: an id that it has is of something else.
    Lost { changes: Vec<Change>, why: String },
}

impl Image {
    fn value(&self, name: &str) -> Option<&str> {
        self.attributes.get(name).map(|(value, _)| value.trim())
    }

    fn begins(&self, name: &str) -> Option<usize> {
        self.attributes.get(name).map(|(_, at)| *at)
    }

    fn fate(&self, source: &str, place: &Place, keeps_src: bool, shelf: &Shelf) -> Fate {
        let Some(address) = self.value("data-src").or(self.value("src")).filter(|address| !address.is_empty()) else {
            return Fate::Left("an image without src stays as it is".into());
        };
        let left = |why: &str| Fate::Left(format!("{} stays as it is: {why}", shown(address)));
        if leads_away(address) {
            return left(match self.begins("data-swarm") {
                Some(_) => "its id is not looked at, for only files of this machine are seeded",
                None => "only files of this machine are seeded",
            });
        }
        if self.value("srcset").is_some() {
            return left("the browser would load one of its srcset");
        }
        if self.is_of_picture {
            return left("the browser would load one of its <picture>'s sources");
        }
        match place.file(address).and_then(|file| shelf.add(&file).map_err(|error| error.to_string())) {
            Ok(id) => Fate::Named { address: address.to_owned(), changes: self.named(source, &id, keeps_src) },
            Err(why) => {
                let changes = self.unnamed(source);
                let is = if changes.is_empty() { "stays as it is" } else { "has no id any more, and its src again" };
                Fate::Lost { changes, why: format!("{} {is}: {why}", shown(address)) }
            }
        }
    }

    /// It gets this id, or has it in place of another.
    fn named(&self, source: &str, id: &ContentId, keeps_src: bool) -> Vec<Change> {
        let src = self.begins("src");
        let mut changes = Vec::new();
        match self.begins("data-swarm") {
            Some(at) => changes.push((extent(source, at), format!("data-swarm=\"{id}\""))),
            None => changes.extend(src.or(self.begins("data-src")).map(|at| (at..at, format!("data-swarm=\"{id}\" ")))),
        }
        if let Some(at) = src.filter(|_| self.begins("data-src").is_none() && !keeps_src) {
            changes.push((at..at, "data-".into()));
        }
        changes.sort_by_key(|(place, _)| place.start);
        changes
    }

    /// It is as it was before it had an id.
    fn unnamed(&self, source: &str) -> Vec<Change> {
        let Some(at) = self.begins("data-swarm") else { return Vec::new() };
        let mut place = extent(source, at);
        place.end += source[place.end..].bytes().take_while(u8::is_ascii_whitespace).count();
        let mut changes = vec![(place, String::new())];
        if let Some(at) = self.begins("data-src").filter(|_| self.begins("src").is_none()) {
            changes.push((at..at + "data-".len(), String::new()));
        }
        changes.sort_by_key(|(place, _)| place.start);
        changes
    }
}

/// Where the attribute is that begins there.
fn extent(source: &str, at: usize) -> Range<usize> {
    let ends = |from: usize, is_end: fn(u8) -> bool| from + source[from..].bytes().take_while(|&byte| !is_end(byte)).count();
    let blank = |from: usize| from + source[from..].bytes().take_while(u8::is_ascii_whitespace).count();
    let name = ends(at, |byte| byte.is_ascii_whitespace() || b"=/>".contains(&byte));
    let equals = blank(name);
    if source.as_bytes().get(equals) != Some(&b'=') {
        return at..name;
    }
    let value = blank(equals + 1);
    let end = match source.as_bytes().get(value) {
        Some(b'"') => ends(value + 1, |byte| byte == b'"') + 1,
        Some(b'\'') => ends(value + 1, |byte| byte == b'\'') + 1,
        _ => ends(value, |byte| byte.is_ascii_whitespace() || byte == b'>'),
    };
    at..end
}

/// The images of a page, in order.
fn images(source: &str) -> Result<Vec<Image>, Failure> {
    let mut emitter = DefaultEmitter::<usize>::new_with_span();
    emitter.naively_switch_states(true);
    let (mut images, mut without_script, mut of_picture) = (Vec::new(), 0_usize, 0_usize);
    for token in Tokenizer::new_with_emitter(source, emitter) {
        match token {
            Ok(Token::StartTag(tag)) => match &tag.name[..] {
                b"img" if without_script == 0 => {
                    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
                    let attributes: BTreeMap<_, _> =
                        tag.attributes.iter().map(|(name, value)| (text(name), (text(&value.value), value.span.start))).collect();
                    // What is changed is changed at these places.
                    let is_there = |(name, (_, at)): (&String, &(String, usize))| {
                        source.get(*at..at + name.len()).is_some_and(|found| found.eq_ignore_ascii_case(name))
                    };
                    if !attributes.iter().all(is_there) {
                        return Err(Failure::argument("the page is none that can be written: an attribute is not where it should be"));
                    }
                    images.push(Image { attributes, is_of_picture: of_picture > 0 });
                }
                b"noscript" => without_script += 1,
                b"picture" => of_picture += 1,
                b"base" if tag.attributes.contains_key(&b"href"[..]) => {
                    return Err(Failure::argument("the page has a <base href>, and its images are somewhere else: take that out first"));
                }
                _ => {}
            },
            Ok(Token::EndTag(tag)) if &tag.name[..] == b"noscript" => without_script = without_script.saturating_sub(1),
            Ok(Token::EndTag(tag)) if &tag.name[..] == b"picture" => of_picture = of_picture.saturating_sub(1),
            Ok(_) => {}
            Err(never) => match never {},
        }
    }
    Ok(images)
}

/// An address as a warning has it.
fn shown(address: &str) -> String {
    let short: String = address.chars().take(80).collect();
    if short.len() < address.len() { format!("{short:?}…") } else { format!("{short:?}") }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use browser_stream_client::swarm::Manifest;
    use tempfile::{TempDir, tempdir};

    use super::*;

    fn site() -> (TempDir, String) {
        let site = tempdir().unwrap();
        fs::create_dir(site.path().join("pages")).unwrap();
        for (name, text) in [("a.png", "a"), ("été 1.png", "b"), ("pages/c.png", "c")] {
            fs::write(site.path().join(name), text).unwrap();
        }
        (site, Manifest::of(&b"a"[..]).unwrap().id().to_string())
    }

    fn written(site: &TempDir, source: &str) -> Written {
        let place = Place::new(site.path(), &site.path().join("pages")).unwrap();
        write(source, &place, false).unwrap_or_else(|failure| panic!("{failure}"))
    }

    #[test]
    fn an_image_gets_its_id_and_waits_for_the_script_and_all_else_stays_byte_for_byte() {
        let (site, a) = site();
        let source = "<!doctype html>\r\n<p title='日本 <img src=/a.png>'>é &amp; <IMG  SRC=\"/a.png\"\r\n alt='x > y'><img src=../a.png><!-- <img src=\"/a.png\"> -->\r\n\
                      <script>'<img src=\"/a.png\">'</script><noscript><img src=\"/a.png\"></noscript><img\tloading=lazy src='c.png?v=1#x'/>\0\r";
        let c = Manifest::of(&b"c"[..]).unwrap().id();
        let expected = source
            .replace("SRC=\"/a.png\"\r\n", &format!("data-swarm=\"{a}\" data-SRC=\"/a.png\"\r\n"))
            .replace("<img src=../a.png>", &format!("<img data-swarm=\"{a}\" data-src=../a.png>"))
            .replace("lazy src='c", &format!("lazy data-swarm=\"{c}\" data-src='c"));
        let page = written(&site, source);
        assert_eq!(page.text, expected);
        assert_eq!((page.images, page.named, page.warnings.len()), (3, 3, 0), "{:?}", page.warnings);
        let again = written(&site, &page.text);
        assert_eq!(again.text, page.text, "written twice it is the same");
        assert_eq!(again.named, 3);
    }

    #[test]
    fn a_changed_image_gets_another_id_and_src_stays_where_it_is_to() {
        let (site, a) = site();
        let page = written(&site, "<img class=x src=\"/a.png\">");
        fs::write(site.path().join("a.png"), "new").unwrap();
        let new = Manifest::of(&b"new"[..]).unwrap().id().to_string();
        assert_eq!(written(&site, &page.text).text, page.text.replace(&a, &new));
        for old in ["data-swarm", "data-swarm=''", "DATA-SWARM = none"] {
            let text = written(&site, &format!("<img {old} data-src=\"/a.png\">")).text;
            assert_eq!(text, format!("<img data-swarm=\"{new}\" data-src=\"/a.png\">"), "{old}");
        }
        let place = Place::new(site.path(), site.path()).unwrap();
        let kept = write("<img src=\"%C3%A9t%C3%A9%201.png\">", &place, true).unwrap_or_else(|failure| panic!("{failure}"));
        let b = Manifest::of(&b"b"[..]).unwrap().id();
        assert_eq!(kept.text, format!("<img data-swarm=\"{b}\" src=\"%C3%A9t%C3%A9%201.png\">"));
    }

    #[test]
    fn an_image_whose_file_is_gone_is_again_what_it_was_before_it_had_an_id() {
        let (site, _) = site();
        for source in ["<img src=\"/a.png\" alt=x>", "<img\n  alt='a &amp; b' src=/a.png>"] {
            let page = written(&site, source);
            fs::rename(site.path().join("a.png"), site.path().join("away")).unwrap();
            let again = written(&site, &page.text);
            fs::rename(site.path().join("away"), site.path().join("a.png")).unwrap();
            assert_eq!((again.text.as_str(), again.named, again.lost), (source, 0, 1));
            assert!(again.warnings[0].contains("has no id any more"), "{:?}", again.warnings);
        }
        let kept = "<img data-swarm=x src=\"nothing.png\">";
        assert_eq!(written(&site, kept).text, "<img src=\"nothing.png\">");
        // What is elsewhere may have been given its id by hand.
        let elsewhere = "<img data-swarm=x data-src=\"https://example.org/a.png\">";
        let page = written(&site, elsewhere);
        assert_eq!((page.text.as_str(), page.lost), (elsewhere, 0));
    }

    #[test]
    fn images_that_a_page_somewhere_else_would_not_find_are_told() {
        let (site, _) = site();
        let page = written(&site, "<img src=c.png?v=1><img src=\"../%C3%A9t%C3%A9%201.png\"><img src=/a.png>");
        assert_eq!(page.missing_from(&site.path().join("pages")), [""; 0]);
        assert_eq!(page.missing_from(site.path()), ["c.png?v=1", "../%C3%A9t%C3%A9%201.png"]);
    }

    #[test]
    fn what_is_not_a_file_of_the_site_stays_as_it_is_with_a_warning() {
        let (site, _) = site();
        fs::write(site.path().parent().unwrap().join("outside.png"), "x").unwrap();
        for (image, says) in [
            ("<img src=\"https://example.org/a.png\">", "only files of this machine"),
            ("<img src=\"//example.org/a.png\">", "only files of this machine"),
            ("<img src=\"data:image/png;base64,AA==\">", "only files of this machine"),
            ("<img src=\"../../outside.png\">", "--root"),
            ("<img src=\"/../outside.png\">", "--root"),
            ("<img src=\"nothing.png\">", "there is no"),
            ("<img src=\"/pages\">", "it is no file"),
            ("<img src=\"/a.png\" srcset=\"/a.png 2x\">", "srcset"),
            ("<picture><source srcset=\"/a.png\"><img src=\"/a.png\"></picture>", "<picture>"),
            ("<img alt=x>", "without src"),
            ("<img src=\"\">", "without src"),
        ] {
            let page = written(&site, image);
            assert_eq!((page.text.as_str(), page.named), (image, 0));
            assert!(page.warnings.len() == 1 && page.warnings[0].contains(says), "{image}: {:?}", page.warnings);
        }
        let place = Place::new(site.path(), site.path()).unwrap();
        assert!(write("<base href=\"https://example.org/\"><img src=a.png>", &place, false).is_err());
    }
}
