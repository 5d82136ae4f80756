/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Many processes that hold one listener: test-flock PROCESSES PORT. Prints "ready", or with how many the host refuses
 * one more; ends with its standard input.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	struct sockaddr_in sa = { .sin_family = AF_INET };
	int fd = socket(AF_INET, SOCK_STREAM, 0), i, n;
	char byte;

	if (argc != 3)
		return 2;
	sa.sin_port = htons((uint16_t)atoi(argv[2]));
	sa.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (fd < 0 || bind(fd, (struct sockaddr *)&sa, sizeof(sa)) || listen(fd, 1))
		return 2;
	n = atoi(argv[1]);
	signal(SIGCHLD, SIG_IGN);
	for (i = 0; i < n; i++) {
		pid_t pid = fork();

		if (pid < 0) {
			printf("no more than %d processes are allowed here\n", i);
			return 2;
		}
		if (!pid) {
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			pause();
			_exit(0);
		}
	}
	puts("ready");
	fflush(stdout);
	while (read(STDIN_FILENO, &byte, 1) > 0)
		;
	return 0;
}
