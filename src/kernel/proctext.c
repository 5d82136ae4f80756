/* SPDX-License-Identifier: BSD-2-Clause */
/* The texts that the kernel shows under /proc and /sys, read from a string: no system call here. */
#include "src/kernel/proctext.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct word {
	const char *at;
	size_t len;
};

/* The next word of the line at *p, which is moved behind it; length 0 at the end of the line. */
static struct word next_word(const char **p)
{
	struct word w;

	*p += strspn(*p, " \t");
	w.at = *p;
	w.len = strcspn(*p, " \t\n");
	*p += w.len;
	return w;
}

static bool word_is(struct word w, const char *text)
{
	return w.len == strlen(text) && !memcmp(w.at, text, w.len);
}

static bool octal(const char *p)
{
	return p[0] >= '0' && p[0] <= '3' && p[1] >= '0' && p[1] <= '7' && p[2] >= '0' &&
	       p[2] <= '7';
}

/* Copies a word without the kernel's escapes: a backslash and three octal digits for one byte. */
static int unescape(struct word w, char *out, size_t size)
{
	size_t i = 0, n = 0;

	while (i < w.len) {
		bool escape = w.at[i] == '\\' && w.len - i >= 4 && octal(w.at + i + 1);

		if (n + 1 >= size)
			return -ENAMETOOLONG;
		if (escape)
			out[n++] = (char)((w.at[i + 1] - '0') << 6 | (w.at[i + 2] - '0') << 3 |
					  (w.at[i + 3] - '0'));
		else
			out[n++] = w.at[i];
		i += escape ? 4 : 1;
	}
	if (n >= size)
		return -ENAMETOOLONG;
	out[n] = '\0';
	return 0;
}

/* True where the first mount option is "rw"; the kernel always prints rw or ro first. */
static bool mounted_rw(struct word options)
{
	return options.len >= 2 && !memcmp(options.at, "rw", 2) &&
	       (options.len == 2 || options.at[2] == ',');
}

int berth_mounts_find(const char *mounts, const char *fstype, char *out_path, size_t size,
		      bool *out_rw)
{
	struct word found = { 0 };
	bool found_rw = false;
	int err;

	for (const char *p = mounts; *p;) {
		struct word device = next_word(&p), path = next_word(&p), type = next_word(&p);
		bool rw = mounted_rw(next_word(&p));

		if (device.len && word_is(type, fstype) && (!found.len || (rw && !found_rw))) {
			found = path;
			found_rw = rw;
		}
		p += strcspn(p, "\n");
		p += *p == '\n';
	}
	if (!found.len)
		return -ENOENT;
	err = unescape(found, out_path, size);
	if (!err)
		*out_rw = found_rw;
	return err;
}

int berth_own_cgroup_parse(const char *text, char *out_path, size_t size)
{
	const char *line = text;
	size_t len;

	while (strncmp(line, "0::", 3)) {
		line = strchr(line, '\n');
		if (!line)
			return -ENOENT;
		line++;
	}
	line += 3;
	len = strcspn(line, "\n");
	if (len == 1 || !strncmp(line, "/..", 3))
		len = 0;
	if (len >= size)
		return -ENAMETOOLONG;
	memcpy(out_path, line, len);
	out_path[len] = '\0';
	return 0;
}

/* A port at *p, which is moved behind it; -EINVAL where there is none. */
static int read_port(const char **p)
{
	char *end;
	unsigned long n;

	*p += strspn(*p, " \t");
	if (!isdigit((unsigned char)**p))
		return -EINVAL;
	n = strtoul(*p, &end, 10);
	*p = end;
	return n <= 65535 ? (int)n : -EINVAL;
}

int berth_local_range_parse(const char *text, struct berth_range *out_range)
{
	int first = read_port(&text), last = first < 0 ? first : read_port(&text);

	if (first < 0 || last < first)
		return -EINVAL;
	if (text[strspn(text, " \t\n")])
		return -EINVAL;
	*out_range = (struct berth_range){ (uint16_t)first, (uint16_t)last };
	return 0;
}

int berth_release_parse(const char *release)
{
	char *end;
	unsigned long major, minor;

	if (!isdigit((unsigned char)*release))
		return -EINVAL;
	major = strtoul(release, &end, 10);
	if (*end != '.' || !isdigit((unsigned char)end[1]))
		return -EINVAL;
	minor = strtoul(end + 1, NULL, 10);
	return major > 999 || minor > 999 ? -EINVAL : (int)(1000 * major + minor);
}

int berth_bracketed(const char *text, const char **out_word)
{
	const char *open = strchr(text, '['), *close = open ? strchr(open, ']') : NULL;

	if (!close)
		return -ENOENT;
	*out_word = open + 1;
	return (int)(close - open - 1);
}
