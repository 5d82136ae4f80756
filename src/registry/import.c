/* SPDX-License-Identifier: BSD-2-Clause */
/* Reads lists of services, and stores an imported one. */
#include "src/registry/import.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "src/base/auto.h"
#include "src/registry/parse.h"

#define HOST_PLACE "/var/lib/berth/services.csv"
#define LARGEST (64u << 20)

/* ---- where ---- */

/* Where this user's imports go. Returns 0 or -ENAMETOOLONG; -ENOENT: neither HOME nor XDG_DATA_HOME. */
static int own_place(char *out_path, size_t size)
{
	const char *data = getenv("XDG_DATA_HOME"), *home = getenv("HOME");
	int n;

	/* The XDG Base Directory Specification: a relative path is to be ignored. */
	if (!geteuid())
		n = snprintf(out_path, size, "%s", HOST_PLACE);
	else if (data && *data == '/')
		n = snprintf(out_path, size, "%s/berth/services.csv", data);
	else if (home && *home == '/')
		n = snprintf(out_path, size, "%s/.local/share/berth/services.csv", home);
	else
		return -ENOENT;
	return n < 0 || (size_t)n >= size ? -ENAMETOOLONG : 0;
}

int berth_services_import_path(char *out_path, size_t size)
{
	int err = own_place(out_path, size);

	if (!err && !access(out_path, F_OK))
		return 0;
	if (size < sizeof(HOST_PLACE))
		return -ENAMETOOLONG;
	memcpy(out_path, HOST_PLACE, sizeof(HOST_PLACE));
	return access(out_path, F_OK) ? -ENOENT : 0;
}

/* ---- reading ---- */

/* Doubles the room of a text. Returns 0, -ENOMEM or -EFBIG. */
static int grow(char **text, size_t *room)
{
	char *more;

	if (*room >= LARGEST)
		return -EFBIG;
	more = realloc(*text, *room * 2);
	if (!more)
		return -ENOMEM;
	*text = more;
	*room *= 2;
	return 0;
}

int berth_services_read(const char *path, char **out_text, size_t *out_len)
{
	berth_auto_fd int fd = open(path, O_RDONLY | O_CLOEXEC);
	size_t len = 0, room = 1 << 16;
	berth_auto_free char *text = fd < 0 ? NULL : malloc(room);

	if (!text)
		return -errno;
	for (;;) {
		int err = len + 1 == room ? grow(&text, &room) : 0;
		ssize_t n = err ? 0 : read(fd, text + len, room - len - 1);

		if (err || (n < 0 && errno != EINTR))
			return err ? err : -errno;
		if (!n)
			break;
		len += n > 0 ? (size_t)n : 0;
	}
	text[len] = '\0';
	*out_text = text;
	*out_len = len;
	text = NULL;
	return 0;
}

/* ---- storing ---- */

/* Makes the directory of a path and those above it. */
static int make_parents(char *path)
{
	char *slash;

	for (slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
		int failed;

		*slash = '\0';
		failed = mkdir(path, 0755) && errno != EEXIST;
		*slash = '/';
		if (failed)
			return -errno;
	}
	return 0;
}

static int write_all(int fd, const char *text, size_t len)
{
	while (len) {
		ssize_t n = write(fd, text, len);

		if (n < 0 && errno != EINTR)
			return -errno;
		if (n > 0) {
			text += n;
			len -= (size_t)n;
		}
	}
	return fchmod(fd, 0644) || fsync(fd) ? -errno : 0;
}

/* What was renamed is on the disk only when its directory is. */
static int sync_parent(const char *path)
{
	berth_auto_free char *parent = strdup(path);
	berth_auto_fd int fd = -1;

	if (!parent)
		return -ENOMEM;
	*strrchr(parent, '/') = '\0';
	fd = open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 || fsync(fd) ? -errno : 0;
}

/* Puts the text in the place of what is there. */
static int replace(const char *path, const char *text, size_t len)
{
	char temporary[BERTH_SERVICES_PATH_MAX + 8];
	berth_auto_fd int fd = -1;
	int err;

	snprintf(temporary, sizeof(temporary), "%s.XXXXXX", path);
	err = make_parents(temporary);
	if (err)
		return err;
	fd = mkostemp(temporary, O_CLOEXEC);
	if (fd < 0)
		return -errno;
	err = write_all(fd, text, len);
	if (!err && rename(temporary, path))
		err = -errno;
	if (err)
		unlink(temporary);
	return err ? err : sync_parent(path);
}

/* How many rows assign a port; the text is not changed. */
static int check(const char *text, size_t len, struct berth_why *why)
{
	struct berth_services_builder *b = berth_services_builder_new();
	struct berth_services_layer layer = { 0 };
	berth_auto_free char *copy = malloc(len + 1);
	int rows = -ENOMEM, err = 0;

	berth_why(why, 0, "no memory");
	if (b && copy) {
		memcpy(copy, text, len);
		rows = berth_services_parse_csv(copy, len, b, why);
	}
	if (rows >= 0)
		err = berth_services_builder_finish(b, &layer);
	berth_services_layer_fini(&layer);
	berth_services_builder_free(b);
	return err ? err : rows;
}

int berth_services_import(const char *file, bool check_only, char *out_path, size_t size,
			  struct berth_why *why)
{
	berth_auto_free char *text = NULL;
	struct berth_why wrong;
	size_t len;
	int err = berth_services_read(file, &text, &len), rows;

	if (err)
		return berth_why(why, err, "--import: cannot read the file: %s", strerror(-err));
	rows = check(text, len, &wrong);
	if (rows < 0)
		return berth_why(why, rows, "--import: refused, nothing is changed: %s",
				 wrong.text);
	err = own_place(out_path, size);
	if (err)
		return berth_why(why, err,
				 "--import: no place to keep it; set HOME or XDG_DATA_HOME");
	err = check_only ? 0 : replace(out_path, text, len);
	if (err)
		return berth_why(why, err, "--import: cannot write %s: %s", out_path,
				 strerror(-err));
	return rows;
}
