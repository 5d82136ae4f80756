/* SPDX-License-Identifier: BSD-2-Clause */
/* berth: the table of verbs, help, version and what is generated from the tables. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "src/base/near.h"
#include "src/cli/cli.h"
#include "src/sim/judge.h"

static int help_main(int argc, char **argv);
static int man_main(int argc, char **argv);
static int completion_main(int argc, char **argv);

static const struct berth_opt no_opts[] = { { NULL } };

#define SHAPE_TEXT(id, name, finding, text) name ": " text ". "

static const struct berth_verb verbs[] = {
	{ "run", "run a program whose outgoing connections get their ports from berth",
	  "-- PROGRAM [ARG...]",
	  "Starts PROGRAM in a cgroup of its own, in which each connect() of an unbound TCP or UDP socket is given "
	  "a source port, and an address where a pool is named, in constant time at any occupancy.\n"
	  "The program's exit status, signals, terminal and environment are its own. A socket that the program "
	  "bound to a port is left alone; one bound to an address keeps the address.\n"
	  "bind() with an address and port 0 gets a port of the pool that nobody else uses. sendto() on an unbound UDP "
	  "socket, listen() without bind(), and bind() to a wildcard address with port 0 are left to the kernel.\n"
	  "Exit status: the program's; 127 where it is not found, 126 where it cannot be executed, 2 where berth failed.",
	  berth_run_opts, berth_run_main },
	{ "grant", "say who may bind which port", "[FILE|-...]",
	  "Puts the rules of the FILEs in force, in place of those that are. They live in the kernel, pinned in the "
	  "BPF file system, and need no process of berth; without rules the verb shows what is in force.\n"
	  "A line is a rule, \"#\" begins a comment: \"allow [user=|group=|cgroup=|unit=NAME[,...]] tcp|udp|tcp,udp "
	  "PORTS [on PREFIX[,...]] [trusted] [fail=closed]\" lets those bind the ports without "
	  "CAP_NET_BIND_SERVICE; \"deny tcp|udp|tcp,udp PORTS [on PREFIX[,...]] [owner=user:|group:|cgroup:|unit:NAME"
	  "[,...]] [fail=open|closed]\" keeps everybody but the owners off them, root too. Their order does not "
	  "matter: deny comes first, and of several deny rules those with the longest prefix. 0.0.0.0 and :: are "
	  "denied to whoever may not bind each address of theirs.\n"
	  "A process is its effective user, its groups, and its cgroup or one above that. Ports 512 to 1023 are "
	  "allowed with the word \"trusted\" only: who binds them can pose as this host.\n"
	  "fail= says what holds where a name does not exist, and where a process cannot be told: with open the deny rule "
	  "does not, with closed nobody has the right that the name was to give; without it an unknown name is an "
	  "error.\n"
	  "Exit status: 0 done, or all hooks in force; 1 nothing, or not all; 2 berth failed.",
	  berth_grant_opts, berth_grant_main },
	{ "hold", "keep a port for a service that is down, and hand it over without a gap",
	  "ENDPOINT... [-- PROGRAM [ARG...]]",
	  "An ENDPOINT is [tcp:|udp:][ADDR:]PORT, without an address every one of both families.\n"
	  "Without PROGRAM the verb binds the endpoints and keeps them until it is told to end. With PROGRAM it takes "
	  "their sockets from such a holder, which keeps its own copies, and becomes PROGRAM, which finds them as those "
	  "of socket activation: from descriptor 3 on, with LISTEN_FDS, LISTEN_PID and LISTEN_FDNAMES; streams listen. "
	  "Between two runs of PROGRAM the port is never free, and connections wait in the queue. Where nobody holds an "
	  "endpoint it is bound on the spot.\n"
	  "For a service that takes no sockets a deny rule of \"berth grant\" keeps the port.\n"
	  "Exit status: the program's; 127 where it is not found, 126 where it cannot be executed, 2 where berth failed; "
	  "0 for a holder that was told to end.",
	  berth_hold_opts, berth_hold_main },
	{ "reserve", "keep ports from being assigned, and say who did it and why",
	  "[list|add PORTS|remove PORTS]",
	  "One ledger, /var/lib/berth/reservations.json, for ip_local_reserved_ports, which the kernel does not choose "
	  "from, for the pools of \"berth run\", and for other network namespaces. A program that asks for such a "
	  "port by number gets it; \"berth grant\" refuses it.\n"
	  "What others have put into ip_local_reserved_ports or sysctl.d stays there. What has no pid as its owner is "
	  "kept in /etc/sysctl.d/60-berth-reserved.conf. A reservation ends with its owner or its date, at the next "
	  "call of the verb; berth-reserve.timer makes one each minute.\n"
	  "Exit status: 0 done, 1 nothing is reserved or some of the ports to remove were not, 2 berth failed.",
	  berth_reserve_opts, berth_reserve_main },
	{ "ports", "show who holds which port, and why", "[FILTER...]",
	  "One row for each socket and each process that holds it; a socket that nobody holds (TIME_WAIT, a connection that "
	  "closes, one that nobody has accepted yet, one of the kernel's) has a row without a holder.\n"
	  "A FILTER is a local port (443) or range (8000-8100), a program (nginx) or the name of a service, a word that a "
	  "field can have (listening, public, udp, time-wait, ephemeral), FIELD=VALUE (pid=42, user=www-data, "
	  "unit=ssh.service), to=DESTINATION or from=DESTINATION (as in to=10.0.0.0/8:443). Filters about the same field are "
	  "alternatives; all fields named must hold. --schema lists the fields.\n"
	  "Without privileges the holders are those that the caller may look into, and berth says so.\n"
	  "Exit status: 0 where there is a row, 1 where there is none, 2 berth failed.",
	  berth_ports_opts, berth_ports_main },
	{ "ports free", "end who holds a port, or only its socket", "PORT",
	  "Says who holds the local port in this network namespace, then sends a signal and waits until it has ended. Where "
	  "somebody listens there, connections of that port are let alone.\n"
	  "Exit status: 0 the port's holders have ended, 1 there was none, 2 one could not be ended.",
	  berth_ports_free_opts, berth_ports_free_main },
	{ "headroom", "show how many ports are left for each lane", "[DESTINATION]",
	  "One row for each lane: the sockets from one source address to one destination endpoint, on ports of one chooser; "
	  "the one with the least left comes first.\n"
	  "CHOICE says who chooses: the kernel, out of ip_local_port_range without reserved ports and those that somebody "
	  "bound explicitly; or berth, out of the pool of the run with that pid. A socket in TIME_WAIT counts as used "
	  "where its port cannot be had again at once: for the kernel tcp_tw_reuse decides that, for berth the timestamps of "
	  "the connection. SEARCH is \"slow\" where about half of the ports are used: from there on the kernel looks at half "
	  "of its range in vain for each connection. UDP has a row for a whole namespace, since the kernel gives a port "
	  "to one socket whatever its destination.\n"
	  "DESTINATION is ADDR, ADDR:PORT, [v6]:PORT, ADDR/LEN or :PORT; a PORT may be the name of a service.\n"
	  "Exit status: 0; 1 where a row reaches --alert; 2 berth failed.",
	  berth_headroom_opts, berth_headroom_main },
	{ "top", "watch lanes fill, listeners and refusals", "",
	  "A screen of three parts: lanes, the worst first, with the ports that they take a second and the time that is "
	  "left; listeners with the connections that wait for them; and the newest connect() and bind() that got no "
	  "port, by whatever process, which the kernel tells root by its tracepoints. Where it does not, what berth's runs refused is "
	  "shown. sendto() on an unbound UDP socket and listen() without bind() pass no such call.\n"
	  "Keys: q quit, Tab next part, arrows, PgUp, PgDn, Home and End select, Enter shows who holds the row's sockets, "
	  "s, < and > order, / filters, space freezes, ? helps.\n"
	  "Exit status: 0, 2 where berth failed.",
	  berth_top_opts, berth_top_main },
	{ "status", "show runs in progress and their counters", "",
	  "One row a run; a run whose berth was killed while its program goes on is shown as \"orphan\".\n"
	  "Exit status: 0 there is a run, 1 there is none, 2 berth failed.",
	  berth_status_opts, berth_status_main },
	{ "explain", "say why a port can be used or not, and what to do", "WHAT",
	  "WHAT is a port (8080, 53/udp), the name of a service, an endpoint (127.0.0.1:80), a call (\"bind "
	  "0.0.0.0:80 as www-data\", \"connect 10.0.0.7:443 from 10.0.0.2\"), a URL, or an errno (EADDRINUSE).\n"
	  "The answer comes from the kernel's rules, applied to the sockets that there are now, and for bind() from the "
	  "kernel itself: a child process binds the port for a moment.\n"
	  "bind() is taken to come from a server: TCP with SO_REUSEADDR.\n"
	  "Exit status: 0 it would succeed, 1 it would fail, 2 the question was not understood.",
	  berth_explain_opts, berth_explain_main },
	{ "services", "show what a port or a service name means", "[NAME|PORT|RANGE|SCHEME:...]",
	  "One row for each service and protocol: all, or those that have a name or alias (case ignored) or one "
	  "of the ports of an operand; ranges are written as for --ports: 1024-2048,!1080. \"https:\" is a scheme.\n"
	  "What is known comes from IANA's registry as it was when berth was built, over it a newer one that was "
	  "imported, over both /etc/services, which programs of this host ask: the highest has the name, the names "
	  "of the others are aliases.\n"
	  "Exit status: 0 each operand was found, 1 one was not, 2 berth failed.",
	  berth_services_opts, berth_services_main },
	{ "lint", "find ports that configuration files declare and that clash", "[PATH]",
	  "Reads the files of this host, or below --root, that declare ports, ranges and pools of source ports, and "
	  "compares them with the ephemeral range, with reservations and with each other. PATH: a file, or a directory "
	  "whose files are known by their names. Nothing is started, nothing is asked but files; works on an image.\n"
	  "What files include is read where the include stands, and never out of the root; variables that they give are "
	  "put in.\n"
	  "A finding is kept quiet by \"berth-lint: ignore RULE: reason\" in its line or, alone, in the one above; one of "
	  "a program's default by \"berth-lint: ignore-default RULE: reason\" anywhere in the file.\n"
	  "Exit status: 0 clean, 1 findings, 2 berth failed.",
	  berth_lint_opts, berth_lint_main },
	{ "audit", "judge how source ports are chosen", "",
	  "Looks at the source ports of TCP connections and UDP clients: of this host (--self, also under \"berth run\"), "
	  "of a capture (--pcap), or of an interface (--live); one row for each destination, and "
	  "one for each host over all of them where it has three or more. A SYN that is sent again and the datagrams of a "
	  "flow, until it was silent for two minutes, count once, over all destinations those of a socket; queries to "
	  "port 53 once a second.\n"
	  "BITS is what an outsider who saw these ports still has to guess of the next: bounds of 95 % out of what repeats "
	  "among ports and among their differences. Few samples show little: \">= 11.2\" says that nothing repeated, "
	  "and that no more can be told.\n"
	  "Linux walks upwards in short steps toward each destination and starts anywhere for another one: such a walk is "
	  "shown, and no finding. It uses half of its range: even ports for connect(), odd ones for bind() to port 0.\n"
	  "SHAPE says what a row looks like; all but the first and the last are findings. " BERTH_SHAPES(
		  SHAPE_TEXT) "LIKE is the system that chooses so.\n"
			      "Exit status: 0 no finding, 1 a row shows a pattern, or none could be judged, 2 berth failed.",
	  berth_audit_opts, berth_audit_main },
	{ "sim", "play a workload against ways of choosing ports", "",
	  "One row a policy: how often no port was found (REFUSED), how often the choice was a pair that the server still "
	  "held (COLLIDE), ports looked at for each choice (TRIES), ports in use.\n"
	  "Reuse is counted in connections to the same destination between two uses of a pair: the fewest that were seen, "
	  "and within how many half of all pairs are used again (- where that is later than was played). CYCLE is in how many of "
	  "them the mean step from port to port goes once round the range.\n"
	  "Guessed: the share of connections whose port one guess hits, for an attacker off the path who has seen "
	  "nothing (BLIND), the host's last port at another destination (OTHER), or the last one at this destination "
	  "(SAME). He learns from one half of the hosts and is judged by the other; what is no more than luck counts as "
	  "one of all ports, and - stands where too few connections were looked at.\n"
	  "The scenario track: devices that are known again by their pairs of destinations, how many guessing would know "
	  "(CHANCE), pairs found in a visit, how many of them the second visit finds again (KEPT), connections of a visit.\n"
	  "Exit status: 0, 2 where berth failed.",
	  berth_sim_opts, berth_sim_main },
	{ "doctor", "show what this host offers berth, and how to mend what is missing", "",
	  "One row for each thing that berth needs or can use: ok, degraded or missing, what that costs, and the "
	  "command that mends it.\nExit status: 0 all is well, 1 something is degraded or missing, 2 berth failed.",
	  berth_doctor_opts, berth_doctor_main },
	{ "help", "show the verbs, or the options of one", "[VERB]", "", no_opts, help_main },
	{ "man", "print the manual page, in mdoc", "", "", no_opts, man_main },
	{ "completion", "print a completion script", "bash|zsh|fish", "", no_opts,
	  completion_main },
	{ NULL },
};

static const struct berth_variable variables[] = {
	{ "BERTH_BPF_LOG",
	  "Where it is set, what libbpf and the kernel's verifier say while the programs are loaded goes to standard "
	  "error: for a kernel that does not accept them." },
	{ "BERTH_PRELOAD",
	  "Set for a program under \"berth run --via preload\": the file that the run's programs share. One that clears "
	  "it is not under berth." },
	{ "BERTH_PRELOAD_LIB",
	  "The library of the preload path, in place of the one that was built or installed with this berth." },
	{ "BERTH_SOCKETS",
	  "\"bpf\" or \"diag\": where sockets are read from, for every verb, as --source of \"berth ports\" says it." },
	{ "COLUMNS",
	  "How many characters a line of a table may have on a terminal; else the terminal is asked." },
	{ "HOME", "Where the imported registry of an ordinary user is, below .local/share." },
	{ "LD_PRELOAD",
	  "\"berth run --via preload\" adds its library at the end; what is there stays." },
	{ "NO_COLOR", "Where it is set and not empty nothing is coloured." },
	{ "PATH", "Where a program is looked for that is named without a slash." },
	{ "SOURCE_DATE_EPOCH", "The date of the page that \"berth man\" prints, in seconds." },
	{ "TERM", "The terminal that \"berth top\" draws on." },
	{ "SUDO_USER", "Who made a reservation, where root did it for somebody." },
	{ "XDG_DATA_HOME",
	  "Where the imported registry of an ordinary user is, in place of ~/.local/share." },
	{ "XDG_RUNTIME_DIR",
	  "Where the runs of an ordinary user are registered, in place of /tmp, and where their shared file is made if "
	  "/dev/shm is not to be had." },
	{ NULL, NULL },
};

int berth_complain(const char *verb, const struct berth_why *why, int status)
{
	fprintf(stderr, "berth %s: %s\n", verb, why->text);
	return status;
}

static void overview(FILE *out)
{
	const struct berth_verb *v;

	fputs("usage: berth VERB [OPTION...]\n\n", out);
	for (v = verbs; v->name; v++)
		fprintf(out, "  %-12s %s\n", v->name, v->summary);
	fputs("\n\"berth help VERB\" shows the options of a verb.\n", out);
}

static void refuse_verb(struct berth_why *why, const char *name)
{
	struct berth_near near = { 0 };
	const struct berth_verb *v;

	for (v = verbs; v->name; v++)
		berth_near_consider(name, v->name, strlen(v->name), &near);
	if (near.text)
		berth_why(why, 0, "there is no verb \"%s\"; did you mean %s?", name, near.text);
	else
		berth_why(why, 0, "there is no verb \"%s\"; see \"berth help\"", name);
}

static int help_main(int argc, char **argv)
{
	int words = 0;
	const struct berth_verb *v = berth_opt_find_verb(verbs, argc - 1, argv + 1, &words);
	struct berth_why why;

	if (argc > 1 + words) {
		refuse_verb(&why, argv[1 + words]);
		return berth_complain("help", &why, BERTH_EXIT_FAILURE);
	}
	if (v)
		berth_opt_help(stdout, v);
	else
		overview(stdout);
	return BERTH_EXIT_OK;
}

static int man_main(int argc, char **argv)
{
	struct berth_why why;

	if (argc > 1) {
		berth_why(&why, 0, "\"%s\": one page has all verbs; leave it out", argv[1]);
		return berth_complain("man", &why, BERTH_EXIT_FAILURE);
	}
	berth_opt_man(stdout, verbs, variables);
	return BERTH_EXIT_OK;
}

static int completion_main(int argc, char **argv)
{
	struct berth_why why;

	if (argc == 2 && berth_opt_completion(stdout, verbs, argv[1]))
		return BERTH_EXIT_OK;
	if (argc > 1)
		berth_why(&why, 0, "\"%s\": name one shell: bash, zsh or fish", argv[argc - 1]);
	else
		berth_why(&why, 0, "name a shell: bash, zsh or fish");
	return berth_complain("completion", &why, BERTH_EXIT_FAILURE);
}

/* What could not be written is no success; who complained already does not do it twice. */
static int finish(const char *verb, int status)
{
	struct berth_why why;

	errno = 0;
	if ((!fflush(stdout) && !ferror(stdout)) || status == BERTH_EXIT_FAILURE)
		return status;
	/* The reason is lost where an earlier write failed. */
	berth_why(&why, -EIO, "cannot write to standard output%s%s", errno ? ": " : "",
		  errno ? strerror(errno) : "");
	return berth_complain(verb, &why, BERTH_EXIT_FAILURE);
}

int main(int argc, char **argv)
{
	const struct berth_verb *v;
	struct berth_why why;
	int words;

	if (argc < 2) {
		overview(stderr);
		return BERTH_EXIT_FAILURE;
	}
	if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h"))
		argv[1] = "help";
	if (!strcmp(argv[1], "--version")) {
		puts("berth " BERTH_VERSION);
		return finish("--version", BERTH_EXIT_OK);
	}
	v = berth_opt_find_verb(verbs, argc - 1, argv + 1, &words);
	if (!v) {
		refuse_verb(&why, argv[1]);
		fprintf(stderr, "berth: %s\n", why.text);
		return BERTH_EXIT_FAILURE;
	}
	if (berth_opt_asks_help(v, argc - words, argv + words)) {
		berth_opt_help(stdout, v);
		return finish(v->name, BERTH_EXIT_OK);
	}
	return finish(v->name, v->main(argc - words, argv + words));
}
