/* SPDX-License-Identifier: BSD-2-Clause */
/* Feeds each file of the folders named to a fuzz target: the corpus as a unit test. */
#include <dirent.h>
#include <errno.h>
#include <string.h>

#include "fuzz.h"
#include "src/base/auto.h"

#pragma weak LLVMFuzzerInitialize

static int feed_file(const char *path)
{
	berth_auto_file FILE *in = fopen(path, "re");
	berth_auto_free uint8_t *data = malloc(1 << 20);
	size_t size;

	if (!in || !data) {
		fprintf(stderr, "%s: %s\n", path, strerror(errno));
		return -1;
	}
	size = fread(data, 1, 1 << 20, in);
	printf("%s: %zu bytes\n", path, size);
	fflush(stdout);
	return LLVMFuzzerTestOneInput(data, size);
}

static int feed_folder(const char *folder)
{
	struct dirent **names;
	int n = scandir(folder, &names, NULL, alphasort), i, fed = 0;

	if (n < 0) {
		fprintf(stderr, "%s: %s\n", folder, strerror(errno));
		return -1;
	}
	for (i = 0; i < n; i++) {
		char path[4096];

		snprintf(path, sizeof(path), "%s/%s", folder, names[i]->d_name);
		if (fed >= 0 && names[i]->d_name[0] != '.')
			fed = feed_file(path) < 0 ? -1 : fed + 1;
		free(names[i]);
	}
	free(names);
	return fed;
}

int main(int argc, char **argv)
{
	int i;

	if (LLVMFuzzerInitialize)
		LLVMFuzzerInitialize(&argc, &argv);
	for (i = 1; i < argc; i++) {
		/* A folder without a file would pass without a test. */
		if (feed_folder(argv[i]) <= 0)
			return 1;
	}
	return argc > 1 ? 0 : 2;
}
