#ifndef COMMON_DB_WAL_VFS_H
#define COMMON_DB_WAL_VFS_H

/*
 * A VFS of SQLite that writes the pages of a transaction to the write-ahead log together.
 *
 * SQLite writes each page as a frame, in two pieces: its header, and 4 KiB that never lie on a page
 * of the file system. A commit of a dozen pages is two dozen system calls, each of which touches
 * one to two pages of the page cache; in one call it costs a third. Frames are kept back until the
 * one that commits. Nobody reads them before: other connections learn of them from the index of the
 * log, where SQLite enters a transaction after its last frame was written. All else that SQLite
 * asks the log for finds it written, and a failure is told by the very write, truncation or sync
 * that found it, inside the commit.
 *
 * Frames of a transaction that is taken back (a large one, which did not fit into the page cache)
 * must not be written later, over those of another connection: when the lock for writing goes, so
 * do they.
 *
 * A log that becomes longer with each commit makes the file system write its own notes with each
 * sync, for which the sync waits as long as for the frames. So the log grows by steps, 64 KiB at
 * first and 1 MiB at last, with zeros, which end the log for whoever reads it after a crash.
 */

/* Makes the VFS `name`, which must live as long as the process, on top of `base` (NULL: SQLite's
 * default). Returns an SQLite result code. */
int wal_vfs_register(const char *name, const char *base);

#endif
