//! Puts the ids of a page's images into it, and changes nothing else.
//!
//! `<img src="a.png">` becomes `<img data-swarm="ID" data-src="a.png">`: nothing is loaded before the page's script has looked for it in the swarm, and what is not there it
//! loads from where it was.

use std::{
    collections::BTreeMap,
    io,
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
    /// How many there are, and how many of them have an id.
    pub images: usize,
    pub named: usize,
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
        let path = address.split(['?', '#']).next().unwrap_or_default();
        let path = percent_decode_str(path).decode_utf8().map_err(|_| "its address is no UTF-8".to_owned())?;
        let file = match path.strip_prefix('/') {
            Some(below) => self.root.join(below),
            None => self.folder.join(&*path),
        };
        let file = file.canonicalize().map_err(|error| format!("there is no {}: {error}", file.display()))?;
        if !file.starts_with(&self.root) {
            return Err(format!("it is outside of {}: say with --root which folder the page's site is", self.root.display()));
        }
        Ok(file)
    }
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
    let mut written = Written { text: String::with_capacity(source.len()), shelf: Shelf::new(), images: 0, named: 0, warnings: Vec::new() };
    let images = images(source)?;
    written.images = images.len();
    let mut changes = Vec::new();
    for image in images {
        match image.change(source, place, keeps_src, &written.shelf) {
            Ok(change) => changes.extend(change),
            Err(warning) => written.warnings.push(warning),
        }
    }
    written.named = changes.iter().filter(|(_, _, text)| text.len() >= ID_DIGITS).count();
    let mut done = 0;
    for (at, replaced, text) in changes {
        written.text += &source[done..at];
        written.text += &text;
        done = at + replaced;
    }
    written.text += &source[done..];
    Ok(written)
}

const ID_DIGITS: usize = 64;

/// So many bytes at this place become that text.
type Change = (usize, usize, String);

impl Image {
    fn value(&self, name: &str) -> Option<&str> {
        self.attributes.get(name).map(|(value, _)| value.trim())
    }

    /// What is to be changed, in order, or why this image stays as it is.
    fn change(&self, source: &str, place: &Place, keeps_src: bool, shelf: &Shelf) -> Result<Vec<Change>, String> {
        let moved = self.value("data-src");
        let Some(address) = moved.or(self.value("src")).filter(|address| !address.is_empty()) else {
            return Err("an image without src stays as it is".into());
        };
        if leads_away(address) {
            return Err(format!("{} stays as it is: only files of this machine are seeded", shown(address)));
        }
        if self.value("srcset").is_some() {
            return Err(format!("{} stays as it is: the browser would load one of its srcset", shown(address)));
        }
        if self.is_of_picture {
            return Err(format!("{} stays as it is: the browser would load one of its <picture>'s sources", shown(address)));
        }
        let id = place.file(address).and_then(|file| shelf.add(&file).map_err(|error| error.to_string()));
        let id: ContentId = id.map_err(|why| format!("{} stays as it is: {why}", shown(address)))?;
        let begins = |name: &str| self.attributes.get(name).map(|(_, at)| *at);
        let mut changes = Vec::new();
        match (self.attributes.get("data-swarm"), begins("src").or(begins("data-src"))) {
            // It was written before: the id is as it was, or another one now.
            (Some((old, at)), _) => match (!old.is_empty()).then(|| source[*at..].find(old.as_str())).flatten() {
                Some(behind) => changes.push((at + behind, old.len(), id.to_string())),
                None => return Err(format!("{} stays as it is: its data-swarm is empty", shown(address))),
            },
            (None, Some(at)) => changes.push((at, 0, format!("data-swarm=\"{id}\" "))),
            (None, None) => {}
        }
        if let Some(at) = begins("src").filter(|_| moved.is_none() && !keeps_src) {
            changes.push((at, 0, "data-".into()));
        }
        changes.sort_by_key(|(at, ..)| *at);
        Ok(changes)
    }
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
        let place = Place::new(site.path(), site.path()).unwrap();
        let kept = write("<img src=\"%C3%A9t%C3%A9%201.png\">", &place, true).unwrap_or_else(|failure| panic!("{failure}"));
        let b = Manifest::of(&b"b"[..]).unwrap().id();
        assert_eq!(kept.text, format!("<img data-swarm=\"{b}\" src=\"%C3%A9t%C3%A9%201.png\">"));
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
