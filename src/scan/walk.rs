//! Which files are looked at: as ripgrep has it, but for hidden files, which
//! are where keys lie. `.git` is never entered, links are never followed,
//! pipes and devices never opened, and `.env` is read even where an ignore
//! file names it.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, Sender};

use ignore::{DirEntry, WalkBuilder, WalkState};
use rustix::fs::{Mode, OFlags};

use super::reader::{Content, Reader};
use super::{Finding, Report, Scanner};
use crate::error::{Error, Kind};
use crate::name::ProviderName;
use crate::text::printable;

/// What is looked at, and how.
#[derive(Debug, Default)]
pub struct Options {
    /// Files and folders that were named.
    pub paths: Vec<PathBuf>,
    /// Files and folders that are looked at where they are there, whatever
    /// ignore files say.
    pub if_there: Vec<PathBuf>,
    /// Folders of which `.env` and its like are looked at, and nothing else.
    pub environment_files_of: Vec<PathBuf>,
    /// Whether what ignore files name is looked at too.
    pub no_ignore: bool,
    /// How many threads look; as many as there are processors where it is 0.
    pub threads: usize,
}

/// More keys of one provider than anybody looks through; each thread lists so
/// many.
const MOST_FINDINGS: usize = 10_000;

/// Something was named that cannot be looked at.
#[derive(Debug, thiserror::Error)]
pub enum NotThere {
    /// There is nothing.
    #[error("There is no file or folder {}", printable(&.0.display().to_string()))]
    Missing(PathBuf),
    /// It cannot be looked at.
    #[error("Cannot look at {}: {}", printable(&.0.display().to_string()), .1)]
    Closed(PathBuf, io::Error),
    /// It is a pipe, a socket or a device.
    #[error("{} is neither a file nor a folder", printable(&.0.display().to_string()))]
    Special(PathBuf),
}

impl From<NotThere> for Error {
    fn from(bad: NotThere) -> Self {
        let hint = match &bad {
            NotThere::Missing(_) => "Check the path; a dash scans standard input.",
            NotThere::Closed(..) => "Check who may read it: ls -ld PATH",
            NotThere::Special(_) => "A dash scans standard input: some-command | vault scan -",
        };
        Self::new(Kind::Failed, bad.to_string()).with_hint(hint)
    }
}

impl Scanner {
    /// Looks through files and folders.
    ///
    /// # Errors
    /// Something that was named is not there.
    pub fn scan(&self, options: &Options) -> Result<Report, NotThere> {
        for path in &options.paths {
            let found = fs::metadata(path).map_err(|error| match error.kind() {
                io::ErrorKind::NotFound => NotThere::Missing(path.clone()),
                _ => NotThere::Closed(path.clone(), error),
            })?;
            if !found.is_file() && !found.is_dir() {
                return Err(NotThere::Special(path.clone()));
            }
        }
        let mut visit = Visit::new(self);
        for folder in &options.environment_files_of {
            visit.environment_files(folder);
        }
        let mut report = std::mem::take(&mut visit.report);
        let is_there = |path: &&PathBuf| {
            let found = path.metadata();
            found.is_ok_and(|found| found.is_file() || found.is_dir())
        };
        let if_there = options.if_there.iter().filter(is_there);
        for (roots, heeded) in [
            (options.paths.iter().collect(), !options.no_ignore),
            (if_there.collect::<BTreeSet<_>>(), false),
        ] {
            for part in self.walk(&roots, heeded, options.threads) {
                report.join(part);
            }
        }
        self.finish(&mut report);
        Ok(report)
    }

    /// Looks through what comes from somewhere else than a file.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn scan_stream(&self, name: &Path, source: &mut impl Read) -> io::Result<Report> {
        let mut report = Report::default();
        let content = Reader::new(self).read(source, true)?;
        report.add(name, content);
        self.finish(&mut report);
        Ok(report)
    }

    fn walk(
        &self,
        roots: &BTreeSet<&PathBuf>,
        heeded: bool,
        threads: usize,
    ) -> mpsc::Receiver<Report> {
        let (sender, reports) = mpsc::channel();
        let mut roots = roots.iter();
        let Some(first) = roots.next() else {
            return reports;
        };
        let mut walk = WalkBuilder::new(first);
        for root in roots {
            walk.add(root);
        }
        walk.hidden(false)
            .follow_links(false)
            .parents(heeded)
            .ignore(heeded)
            .git_ignore(heeded)
            .git_global(heeded)
            .git_exclude(heeded)
            .threads(threads)
            .filter_entry(|entry| entry.depth() == 0 || !is_repository(entry));
        walk.build_parallel().run(|| {
            let mut part = Part {
                visit: Visit::new(self),
                reports: sender.clone(),
            };
            Box::new(move |entry| {
                match entry {
                    Ok(entry) => part.visit.entry(&entry, heeded),
                    Err(error) => part.visit.report.fail(&error.to_string()),
                }
                WalkState::Continue
            })
        });
        reports
    }

    fn finish(&self, report: &mut Report) {
        let left_out: BTreeSet<_> = self.left_out().collect();
        report.warnings.extend(left_out.into_iter().map(|provider| {
            format!(
                "The keys of {provider} were not looked for: a pattern of its definition grows \
                 too large"
            )
        }));
        report.settle();
    }
}

/// What one thread does; what came of it is sent when the thread is done.
struct Part<'a> {
    visit: Visit<'a>,
    reports: Sender<Report>,
}

impl Drop for Part<'_> {
    fn drop(&mut self) {
        // It is received when the last thread has ended.
        let _ = self.reports.send(std::mem::take(&mut self.visit.report));
    }
}

/// Looks at what is come upon.
struct Visit<'a> {
    reader: Reader<'a>,
    report: Report,
}

impl<'a> Visit<'a> {
    fn new(scanner: &'a Scanner) -> Self {
        Self {
            reader: Reader::new(scanner),
            report: Report::default(),
        }
    }

    fn entry(&mut self, entry: &DirEntry, heeded: bool) {
        let is_named = entry.depth() == 0;
        let path = entry.path();
        let kind = entry.file_type();
        if kind.is_some_and(|kind| kind.is_dir()) {
            if heeded {
                self.environment_files(path);
            }
        } else if is_named || kind.is_some_and(|kind| kind.is_file()) {
            // Those of folders that were entered were looked at already.
            if is_named || !heeded || !is_environment_file(entry.file_name()) {
                self.file(path, is_named);
            }
        }
    }

    /// Looks at `.env` and its like, which ignore files often name.
    fn environment_files(&mut self, folder: &Path) {
        let Ok(entries) = fs::read_dir(folder) else {
            // The walk says so itself.
            return;
        };
        for entry in entries.flatten() {
            let is_file = || entry.file_type().is_ok_and(|kind| kind.is_file());
            if is_environment_file(&entry.file_name()) && is_file() {
                self.file(&entry.path(), false);
            }
        }
    }

    fn file(&mut self, path: &Path, is_named: bool) {
        let outcome = open(path, is_named).and_then(|file| match file {
            Some(mut file) => self.reader.read(&mut file, is_named).map(Some),
            None => Ok(None),
        });
        match outcome {
            Ok(Some(content)) => self.report.add(path, content),
            Ok(None) => {}
            Err(error) => self.report.fail(&format!("{}: {error}", path.display())),
        }
    }
}

/// Opens a file; `None` where it is none by now. A pipe that took its place in
/// the meantime is not waited for, and a link not followed.
pub(super) fn open(path: &Path, is_named: bool) -> io::Result<Option<File>> {
    let mut flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
    if !is_named {
        flags |= OFlags::NOFOLLOW;
    }
    let file = File::from(rustix::fs::open(path, flags, Mode::empty())?);
    Ok(file.metadata()?.is_file().then_some(file))
}

fn is_repository(entry: &DirEntry) -> bool {
    entry.file_name() == ".git" && entry.file_type().is_some_and(|kind| kind.is_dir())
}

fn is_environment_file(name: &OsStr) -> bool {
    let name = name.as_bytes();
    name == b".env" || name == b".envrc" || name.starts_with(b".env.")
}

impl Report {
    fn add(&mut self, path: &Path, content: Content) {
        let path = path.strip_prefix(".").unwrap_or(path);
        if content.is_binary {
            self.skipped += 1;
        } else {
            self.files += 1;
        }
        let shown = path.display().to_string();
        if let Some(reason) = content.incomplete {
            let shown = printable(&shown);
            let reason = printable(&reason);
            self.warnings.push(format!("{shown}: {reason}"));
        }
        for provider in content.given_up {
            self.warnings.push(format!(
                "{}: the keys of {provider} were not looked for in all of it: a pattern of its \
                 definition costs too much",
                printable(&shown)
            ));
        }
        let counts = &mut self.counts;
        let warnings = &mut self.warnings;
        let kept = content.hits.into_iter().filter(|hit| {
            let count = counts.entry(hit.provider.clone()).or_insert(0);
            *count += 1;
            if *count > MOST_FINDINGS {
                let provider = &hit.provider;
                let told = format!("There are many more keys of {provider} than are listed");
                if !warnings.contains(&told) {
                    warnings.push(told);
                }
            }
            *count <= MOST_FINDINGS
        });
        self.findings.extend(kept.map(|hit| Finding {
            path: path.to_owned(),
            line: hit.line,
            column: hit.column,
            provider: hit.provider,
            field: hit.field,
            key: hit.key,
            digest: hit.digest,
        }));
    }

    fn fail(&mut self, what: &str) {
        self.skipped += 1;
        self.unreadable += 1;
        self.warnings
            .push(format!("Not looked at: {}", printable(what)));
    }

    /// Takes in what came of another scan.
    pub fn join(&mut self, other: Self) {
        self.findings.extend(other.findings);
        self.files += other.files;
        self.skipped += other.skipped;
        self.unreadable += other.unreadable;
        self.warnings.extend(other.warnings);
        self.settle();
    }

    fn settle(&mut self) {
        self.warnings.sort();
        self.warnings.dedup();
        self.findings.sort_by(|a, b| a.order().cmp(&b.order()));
        self.findings.dedup_by(|a, b| a.order() == b.order());
    }
}

impl Finding {
    fn order(&self) -> (&Path, u64, u64, &ProviderName) {
        (&self.path, self.line, self.column, &self.provider)
    }
}
