<?php
// Why does token.cgi answer "Internal Server Error"? Upload this file into the folder of token.cgi and
// open it in your browser: https://example.com/auth/why.php. It looks at the files there and at those
// that they name, and says what is wrong and what to do. It changes nothing, shows nothing of what is
// in a file but the first line of token.cgi, and answers for one hour after its upload.
// If it answers 500 itself, .htaccess is the cause: rename that file to htaccess.txt, and open this again.
// Nothing below this line needs a change.

if (function_exists('ini_set')) {
	ini_set('display_errors', '0');
}
$GLOBALS['found'] = [];

// note adds a finding: 'bad', 'warn' or 'good'; what is so, what it means, what to do by FTP and in a shell.
function note($level, $what, $means = '', $ftp = '', $shell = '') {
	$GLOBALS['found'][] = [$level, $what, $means, $ftp, $shell];
}

// quoted is a path as a shell reads it.
function quoted($path) {
	return preg_match('~^[\w./+-]+$~', $path) ? $path : "'" . str_replace("'", "'\\''", $path) . "'";
}

// visible is a text of at most 200 bytes in which a character that one does not see is written as \xHH.
function visible($text) {
	return preg_replace_callback('/[^\x20-\x7e]/', function ($m) { return sprintf('\x%02X', ord($m[0])); }, substr($text, 0, 200));
}

// absolute resolves a path as the system does that was told to change to the folder first.
function absolute($folder, $path) {
	$path = substr($path, 0, 1) === '/' ? $path : $folder . '/' . $path;
	if (($real = @realpath($path)) !== false) {
		return $real;
	}
	$parts = [];
	foreach (explode('/', $path) as $part) {
		if ($part === '..') {
			array_pop($parts);
		} elseif ($part !== '' && $part !== '.') {
			$parts[] = $part;
		}
	}
	return '/' . implode('/', $parts);
}

function within($folder, $path) {
	$folder = rtrim($folder, '/');
	return $folder !== '' && strncmp($path . '/', $folder . '/', strlen($folder) + 1) === 0;
}

// process is the number of the user that PHP runs as, or null if the host does not tell.
function process() {
	$uid = function_exists('posix_geteuid') ? posix_geteuid() : @fileowner('/proc/self');
	return $uid === false ? null : $uid;
}

function user($uid) {
	$entry = function_exists('posix_getpwuid') ? @posix_getpwuid($uid) : false;
	return $entry ? $entry['name'] : 'number ' . $uid;
}

function mode($path) {
	return (int) @fileperms($path) & 07777;
}

// seen is 'there', 'missing', or why PHP cannot tell: 'fenced' (open_basedir) or 'closed' (a folder that it may not enter).
function seen($path) {
	if (@file_exists($path)) {
		return 'there';
	}
	$fence = function_exists('ini_get') ? (string) ini_get('open_basedir') : '';
	$free = $fence === '';
	foreach ($free ? [] : explode(PATH_SEPARATOR, $fence) as $folder) {
		$free = $free || within(absolute(__DIR__, $folder), $path) || rtrim($folder, '/') === '';
	}
	$above = nearest($path);
	return !$free ? 'fenced' : (@is_executable($above) ? 'missing' : 'closed');
}

// nearest is the lowest folder above a path that is there.
function nearest($path) {
	do {
		$path = dirname($path);
	} while (!@file_exists($path) && $path !== dirname($path));
	return $path;
}

// above are the folders above a path, the lowest first.
function above($path) {
	$all = [];
	for ($path = dirname($path); strlen($path) > 1; $path = dirname($path)) {
		$all[] = $path;
	}
	return $all;
}

// unseen tells that PHP cannot look at a path.
function unseen($what, $path, $owner) {
	$above = nearest($path);
	if (seen($path) === 'fenced') {
		note('warn', "$what cannot be looked at from here.", "PHP on this host may not look at $path (open_basedir). A CGI program may.",
			'Look in your FTP program whether it is there, with the right permissions and, for the program, the size that it has on your computer.', 'ls -ld ' . quoted($path));
	} elseif (process() === null || @fileowner($above) === process()) {
		note('bad', "The folder $above cannot be entered (permissions " . sprintf('%03o', mode($above)) . ').', "A folder that is to be entered needs the x of its permissions; $path lies in it.",
			"Set the permissions of the folder $above to 755 (700 for that of the database).", 'chmod 755 ' . quoted($above));
	} else {
		note('warn', "$what cannot be looked at from here.", "PHP runs as another user (" . user(process()) . ") than you, and $above is closed to others. Where programs run as you (suexec), that is right; where they run as the web server, it must be open.",
			"If nothing else helps, ask the host as whom CGI programs run; if as the web server, set the permissions of $above to 755.", 'ls -ld ' . quoted($above));
	}
}

// changeable tells whether others may change a file or folder; $strict: the web server refuses it then.
function changeable($path, $what, $strict) {
	$mode = mode($path);
	if (($mode & 0022) === 0 || (is_dir($path) && $mode & 01000 && !$strict)) {
		return false;
	}
	$right = is_dir($path) && !$strict ? 'Take the right to write away from group and others: 755' : 'Set the permissions to 755';
	note($strict ? 'bad' : 'warn', sprintf('%s can be changed by others (permissions %03o).', $what, $mode), $strict
		? 'Web servers that run programs as you (suexec) do not run what the group or everybody may write: no 775, no 777.'
		: 'Other customers of the host could put something else in its place, and some hosts do not run it then.',
		$right . ". It is $path.", 'chmod go-w ' . quoted($path));
	return true;
}

// encoded names what an editor put in front of a text, or null.
function encoded($text) {
	foreach (["\xEF\xBB\xBF" => 'a byte order mark (UTF-8 with BOM)', "\xFF\xFE" => 'the mark of UTF-16 ("Unicode")', "\xFE\xFF" => 'the mark of UTF-16 ("Unicode")'] as $mark => $name) {
		if (strncmp($text, $mark, strlen($mark)) === 0) {
			return $name;
		}
	}
	return strpos(substr($text, 0, 200), "\0") !== false && substr($text, 0, 4) !== "\x7fELF" ? 'characters of two bytes (UTF-16, "Unicode")' : null;
}

function start($path, $bytes) {
	return (string) @file_get_contents($path, false, null, 0, $bytes);
}

// entries are the names in a folder, without . and .. ; empty if it cannot be read.
function entries($folder) {
	return array_values(array_diff(@scandir($folder) ?: [], ['.', '..']));
}

// scripts are the files here that a web server runs with mintkeep.
function scripts() {
	$all = [];
	foreach (entries(__DIR__) ?: ['token.cgi', 'token.fcgi', 'endpoint.php'] as $name) {
		$path = __DIR__ . '/' . $name;
		if (!is_file($path) || !preg_match('~\.f?cgi$|^endpoint\.php$~i', $name)) {
			continue;
		}
		$text = start($path, 4096);
		$own = strpos(substr($text, 0, 12), '#!') !== false || strpos($text, 'database:') !== false || substr($text, 0, 4) === "\x7fELF";
		if (strtolower($name) === 'token.cgi' || strtolower($name) === 'token.fcgi' || ($own && strpos($text, '<?php') === false)) {
			$all[] = $path;
		}
	}
	return $all;
}

// values are the lines "name: value" of a configuration file.
function values($text) {
	$all = [];
	foreach (preg_split('/\R/', $text) as $line) {
		if (preg_match('~^\s*(\w+)\s*:\s*(\S.*?)\s*$~', preg_replace('/(^|\s)#.*/', '', $line), $m)) {
			$all[$m[1]] = $m[2];
		}
	}
	return $all;
}

function look_at_script($path) {
	$name = basename($path);
	$text = start($path, 65536);
	look_at_modes($path, $name);
	if (substr($text, 0, 4) === "\x7fELF") {
		note('good', "$name is the program itself.", 'Its settings are in a file mintkeep.conf; open ' . $name . ' to see where.');
		look_at_program($path, fileowner($path), $name);
		return;
	}
	if (trim($text) === '') {
		note(@is_readable($path) ? 'bad' : 'warn', @is_readable($path) ? "$name is empty." : "$name cannot be read from here.", @is_readable($path) ? 'The upload was cut off.' : 'PHP runs as another user than you.', 'Upload it again.', 'ls -l ' . quoted($path));
		return;
	}
	$mark = encoded($text);
	if ($mark !== null) {
		note('bad', "$name begins with $mark.", 'The system looks for the characters #! at the very beginning, does not find them there, and starts nothing.',
			"Open $name in your editor, choose \"Save as\" with the encoding \"UTF-8\" (not \"UTF-8 with BOM\", not \"Unicode\"), and upload it again.",
			$mark[0] === 'a' ? 'sed -i ' . quoted('1s/^\xEF\xBB\xBF//') . ' ' . quoted($path) : 'iconv -f UTF-16 -t UTF-8 ' . quoted($path) . ' > new && mv new ' . quoted($path));
		$text = $mark[0] === 'a' ? substr($text, 3) : preg_replace('/^\xFF\xFE|^\xFE\xFF|\0/', '', $text);
	}
	look_at_first_line($path, $name, $text);
	$set = values($text);
	if (isset($set['url']) && basename($set['url']) !== $name) {
		note('warn', "The line \"url:\" does not end in /$name.", 'It must be the address of this very file, in upper and lower case as well.', "Correct the line, or the name of the file.", 'grep url: ' . quoted($path));
	}
	if (isset($set['database']) || strpos($text, '#!') !== false) {
		look_at_database($path, $name, $set);
	}
}

// look_at_modes: what the web server asks of the script and of its folder, before it runs anything.
function look_at_modes($path, $name) {
	$mode = mode($path);
	$wrong = changeable($path, $name, true);
	$wrong = changeable(__DIR__, 'The folder of ' . $name, true) || $wrong;
	if (($mode & 06000) !== 0) {
		$wrong = true;
		note('bad', sprintf('%s has a special permission (%04o: setuid or setgid).', $name, $mode), 'Web servers that run programs as you (suexec) refuse that.', "Set the permissions of $name to 755.", 'chmod 0755 ' . quoted($path));
	}
	if (($mode & 0111) === 0) {
		$wrong = true;
		note('bad', sprintf('%s is not executable (permissions %03o).', $name, $mode), 'The web server may not start it.', "Set the permissions of $name to 755.", 'chmod 755 ' . quoted($path));
	} elseif (($mode & 0555) !== 0555) {
		$wrong = true;
		note(($mode & 0500) !== 0500 ? 'bad' : 'warn', sprintf('%s has the permissions %03o.', $name, $mode), 'It must be read and started, where programs do not run as you by the web server\'s user too.', "Set the permissions of $name to 755.", 'chmod 755 ' . quoted($path));
	}
	if (fileowner($path) !== fileowner(__DIR__) || filegroup($path) !== filegroup(__DIR__)) {
		$wrong = true;
		note('warn', "$name and its folder do not belong to the same user and group.", 'Web servers that run programs as you (suexec) ask for that. It comes from an upload as another user, or from a file manager.',
			"Delete $name, and upload it again with the FTP account of the folder.", 'ls -ld ' . quoted(__DIR__) . ' ' . quoted($path));
	}
	if (!$wrong) {
		note('good', sprintf('%s may be started, and only you can change it (permissions %03o; its folder %03o).', $name, $mode, mode(__DIR__)));
	}
}

// look_at_first_line: what the kernel makes of it. It knows no \r, no quotes and one argument.
function look_at_first_line($path, $name, $text) {
	$edit = "Make it the very first line of $name: #!../../bin/mintkeep cgi";
	$shell = 'head -n 1 ' . quoted($path) . ' | cat -A';
	$line = preg_split('/\n/', ltrim($text), 2)[0];
	$crlf = substr($line, -1) === "\r";
	if (strpos($line, '#!') === false) {
		note('bad', "The first line of $name does not begin with #!.", preg_match('/^\s*<(!|html|\?)/i', $text) ? 'It is a web page, and not the file of that name.' : 'That line says which program is to be started.', $edit, $shell);
		return;
	}
	$shown = 'The first line of ' . $name . ' is: ' . visible(preg_split('/[\r\n]/', ltrim($line, "\r"), 2)[0]);
	if (strpos($text, '#!') !== 0) {
		note('bad', "Something stands before #! in the first line of $name.", $shown, $edit . ' – no blank and no empty line before it.', $shell);
	} elseif (strpos(rtrim($line, "\r"), "\r") !== false) {
		note('bad', "$name has the line ends of old Macintoshes (CR).", 'For the system the whole file is one line.', 'Save it with the line ends "Unix (LF)", and upload it again.', "tr '\\r' '\\n' < " . quoted($path) . ' > new && mv new ' . quoted($path));
		return;
	} elseif (strlen($line) > 127) {
		note(strlen($line) > 255 ? 'bad' : 'warn', "The first line of $name is " . strlen($line) . ' bytes long.', 'Systems read 127 or 255 bytes of it, and cut the rest off.', 'Use a path that begins with ../ or put the program where the path is shorter.', $shell);
	}
	$rest = ltrim(substr($line, strpos($line, '#!') + 2), " \t");
	$parts = preg_split('/[ \t]+/', rtrim($rest, " \t"), 2);
	$program = $parts[0];
	$argument = isset($parts[1]) ? trim($parts[1]) : '';
	if (preg_match('~^(env|sh|bash|dash|perl|php[\d.-]*|php-cgi.*|python[\d.]*)$~', basename($program))) {
		note('bad', "The first line of $name starts " . basename($program) . ', not mintkeep.', $shown, $edit, $shell);
		return;
	}
	if ($argument !== '' && $argument !== 'cgi') {
		note('bad', "The first line of $name has another word than cgi after the path.", $shown, $edit . '. If the path has a blank in it, put the program where it has none.', $shell);
	} elseif ($crlf && !isset($parts[1])) {
		note('bad', "The first line of $name ends in CR LF, without the word cgi.", 'It was saved with the line ends of Windows, and the system takes the CR for a part of the path. Behind the word cgi it does no harm.', $edit, "sed -i 's/\\r$//' " . quoted($path));
		$program = rtrim($program, "\r");
	} elseif ($crlf) {
		note('good', "$name has the line ends of Windows, which do no harm behind the word cgi.");
	}
	if (preg_match('/[^\x21-\x7e]|["\'`\\\\]/', $program)) {
		note('bad', "The path in the first line of $name has a character that does not belong there.", $shown, $edit . ' – typed, not copied from a page: no quotes, no backslash, and a plain blank.', $shell);
		return;
	}
	look_at_path($name, absolute(__DIR__, $program), $program, $shown, fileowner($path), $shell);
}

// look_at_path: whether the path of the first line leads to a program.
function look_at_path($name, $path, $written, $shown, $owner, $shell) {
	$leads = "$shown. Seen from the folder " . __DIR__ . ", that is $path.";
	switch (seen($path)) {
	case 'fenced':
	case 'closed':
		unseen('The program ' . $path, $path, $owner);
		return;
	case 'missing':
		$better = candidate();
		$why = substr($written, 0, 1) === '/' ? ' A path that begins with / starts at the root of the machine, not of your FTP account.' : '';
		note('bad', is_link($path) ? "The first line of $name leads to a link whose target is not there." : "The first line of $name leads nowhere.", $leads . $why . ($better === '' ? '' : ' A program was found elsewhere.'),
			$better === '' ? "Upload the program to that place, or correct the path: it starts where $name lies, and each ../ goes one folder up. The lowest folder of it that is there: " . nearest($path) : "Write as first line: #!$better cgi", $better === '' ? $shell : 'ls -l ' . quoted(absolute(__DIR__, $better)));
		return;
	}
	if (is_dir($path)) {
		$inside = is_file($path . '/mintkeep') ? '/mintkeep' : '/NAME-OF-THE-PROGRAM';
		note('bad', "The first line of $name leads to a folder.", $leads, 'Write as first line: #!' . rtrim($written, '/') . $inside . ' cgi', $shell);
	} else {
		note('good', "The first line of $name leads to $path.");
		look_at_program($path, $owner, 'the program');
	}
}

// candidate is a path to a program near by, as the first line would have it; "" if there is none.
function candidate() {
	foreach (['.', '..', '../..', '../../..'] as $up) {
		foreach (['', '/bin', '/cgi-bin', '/mintkeep'] as $down) {
			foreach (entries(__DIR__ . '/' . $up . $down) as $file) {
				$path = __DIR__ . '/' . $up . $down . '/' . $file;
				if (stripos($file, 'mintkeep') === 0 && is_file($path) && start($path, 4) === "\x7fELF") {
					return $up . $down . '/' . $file;
				}
			}
		}
	}
	return '';
}

// look_at_program: modes, then what is in it.
function look_at_program($path, $owner, $what) {
	$mode = mode($path);
	if ($what === 'the program') {
		$means = "It is $path.";
		if (($mode & 0111) === 0) {
			note('bad', sprintf('The program is not executable (permissions %03o).', $mode), $means . ' Uploads arrive as 644.', 'Set its permissions to 755.', 'chmod 755 ' . quoted($path));
		} elseif (($mode & 0100) === 0 || ($mode & 0005) !== 0005) {
			note(fileowner($path) === $owner && ($mode & 0100) !== 0 ? 'warn' : 'bad', sprintf('Not everybody may start the program (permissions %03o).', $mode), $means . ' Where programs do not run as you, the web server\'s user must be able to.', 'Set its permissions to 755.', 'chmod 755 ' . quoted($path));
		} elseif (!changeable($path, 'The program', false)) {
			note('good', sprintf('The program may be started, and only you can change it (permissions %03o).', $mode));
		}
		foreach (above($path) as $folder) {
			if (@file_exists($folder) && !within($folder, __DIR__)) {
				if ((mode($folder) & 0001) === 0) {
					note(fileowner($folder) === $owner && (mode($folder) & 0100) !== 0 ? 'warn' : 'bad', sprintf('The folder %s is closed to others (permissions %03o).', $folder, mode($folder)), 'Where programs do not run as you, the web server\'s user must be able to pass through it to the program.', "Set its permissions to 755.", 'chmod 755 ' . quoted($folder));
				}
			}
		}
	}
	foreach (array_unique(array_merge(above($path), $what === 'the program' ? above(__DIR__) : [])) as $folder) {
		if (@fileowner($folder) === $owner && $folder !== __DIR__) {
			changeable($folder, "The folder $folder", false);
		}
	}
	look_at_mount($path);
	if (!@is_readable($path)) {
		note('warn', 'What is in the program cannot be read from here.', "It is $path, and PHP runs as another user than you.", 'Compare its size with that on your computer.', 'ls -l ' . quoted($path));
		return;
	}
	look_inside($path, (int) filesize($path));
}

// look_at_mount: a file system may be mounted so that nothing on it is started.
function look_at_mount($path) {
	$longest = '';
	$options = '';
	foreach (@file('/proc/mounts') ?: [] as $line) {
		$parts = explode(' ', $line);
		$at = isset($parts[3]) ? preg_replace_callback('/\\\\(\d{3})/', function ($m) { return chr((int) octdec($m[1])); }, $parts[1]) : '';
		if ($at !== '' && ($at === '/' || within($at, $path)) && strlen($at) >= strlen($longest)) {
			list($longest, $options) = [$at, $parts[3]];
		}
	}
	if (in_array('noexec', explode(',', $options), true)) {
		note('bad', "Nothing may be started from $longest (noexec).", "The host has forbidden it for that file system, on which $path lies.", 'Put the program elsewhere, for example into the folder cgi-bin, or ask the host.', 'findmnt -T ' . quoted($path));
	}
}

// survey reads a file once: how many LF and CR LF it has, whether the name of the program stands in
// it, whether bytes above 127 do, and whether all of it is UTF-8 (which a program never is).
function survey($path) {
	$s = ['lf' => 0, 'cr' => 0, 'crlf' => 0, 'ours' => false, 'high' => false, 'utf8' => true];
	$file = @fopen($path, 'rb');
	$last = '';
	while ($file && !feof($file) && ($chunk = fread($file, 65536)) !== false) {
		$s['lf'] += substr_count($chunk, "\n");
		$s['cr'] += substr_count($chunk, "\r");
		$s['crlf'] += substr_count($chunk, "\r\n") + (substr($last, -1) === "\r" && substr($chunk, 0, 1) === "\n" ? 1 : 0);
		$s['ours'] = $s['ours'] || strpos(substr($last, -16) . $chunk, 'mintkeep') !== false;
		$s['high'] = $s['high'] || preg_match('/[\x80-\xff]/', $chunk) === 1;
		// (a character may be cut in two where a chunk begins and ends)
		$s['utf8'] = $s['utf8'] && preg_match('//u', preg_replace(['/^[\x80-\xbf]{1,3}/', '/[\xc2-\xf4][\x80-\xbf]{0,2}$/'], '', $chunk)) === 1;
		$last = $chunk;
	}
	return $s;
}

// number reads bytes of a header in the order of the file; eight of them as two halves (PHP may have 32 bits).
function number($bytes, $at, $size, $big) {
	$n = 0;
	for ($i = 0; $i < $size; $i++) {
		$n = $n * 256 + ord($bytes[$big ? $at + $i : $at + $size - 1 - $i]);
	}
	return $n;
}

// elf reads the header of a program: class, machine, the end of its tables (what its size must be at
// least), its interpreter, and whether the table of sections at its end is whole. Null: the header is cut.
function elf($path, $size) {
	$h = start($path, 65536);
	if (strlen($h) < 64) {
		return null;
	}
	$wide = ord($h[4]) === 2;
	$big = ord($h[5]) === 2;
	$at = function ($narrow, $broad, $bytes) use ($h, $wide, $big) {
		return number($h, $wide ? $broad : $narrow, $bytes === 0 ? ($wide ? 8 : 4) : $bytes, $big);
	};
	$e = ['type' => number($h, 16, 2, $big), 'machine' => number($h, 18, 2, $big), 'interpreter' => '', 'whole' => true, 'end' => 0];
	list($programs, $sections) = [$at(28, 32, 0), $at(32, 40, 0)];
	list($length, $count) = [$at(42, 54, 2), $at(44, 56, 2)];
	for ($i = 0; $i < $count && $programs + ($i + 1) * $length <= strlen($h) && $length >= 32; $i++) {
		$p = $programs + $i * $length;
		list($offset, $held) = $wide ? [number($h, $p + 8, 8, $big), number($h, $p + 32, 8, $big)] : [number($h, $p + 4, 4, $big), number($h, $p + 16, 4, $big)];
		$e['end'] = max($e['end'], $offset + $held);
		if (number($h, $p, 4, $big) === 3) {
			$e['interpreter'] = rtrim(substr($h, (int) $offset, (int) $held), "\0");
		}
	}
	list($length, $count, $names) = [$at(46, 58, 2), $at(48, 60, 2), $at(50, 62, 2)];
	if ($sections > 0) {
		$e['end'] = max($e['end'], $sections + $count * $length);
		$row = $sections + $names * $length < $size ? (string) @file_get_contents($path, false, null, (int) ($sections + $names * $length), 64) : '';
		$e['whole'] = strlen($row) >= 32 && number($row, 4, 4, $big) === 3; // SHT_STRTAB
	}
	return $e;
}

// look_inside: is it the program, whole, and for this machine?
function look_inside($path, $size) {
	$again = 'Upload it again in binary mode (FileZilla: Transfer, Transfer type, Binary), and compare the sizes: here it has ' . number_format($size) . ' bytes.';
	$sum = 'sha256sum ' . quoted($path);
	$head = start($path, 300);
	foreach (['MZ' => 'a program for Windows', "\xCF\xFA\xED\xFE" => 'a program for the Mac', "\xCA\xFE\xBA\xBE" => 'a program for the Mac', "\x1F\x8B" => 'packed (gzip)', 'PK' => 'packed (zip)',
		"\xFD7zXZ" => 'packed (xz)', '(' . "\xB5/\xFD" => 'packed (zstd)', '#!' => 'a script', '<' => 'a web page, not the file that it offers', '{' => 'a message, not the file', "\xEF\xBB\xBF" => 'a text'] as $sign => $kind) {
		if (strncmp(ltrim($head), $sign, strlen($sign)) === 0) {
			note('bad', "The program is $kind.", "It is $path, and does not begin as a program for Linux does.", 'Take the file mintkeep-linux-amd64 from the release, unpacked, and upload it in binary mode.', 'file ' . quoted($path));
			return;
		}
	}
	$e = elf($path, $size);
	if ($size === 0 || $e === null || strncmp($head, "\x7fELF", 4) !== 0) {
		note('bad', $size === 0 ? 'The program is empty.' : ($e === null ? "The program was cut off: it has $size bytes." : 'The program is damaged: it does not begin as a program does.'), 'The upload did not come to its end, or something else was uploaded.', $again, $sum);
		return;
	}
	$s = survey($path);
	$pairs = $s['cr'] / $size * $s['lf']; // so many CR LF there would be by chance
	if ($size > 4096 && ($pairs > 30 && $s['crlf'] * 10 < $pairs || $s['lf'] > 100 && $s['crlf'] === $s['lf'] || !$s['high'] || $s['utf8'])) {
		note('bad', 'The program was uploaded in text mode (ASCII).', 'On the way its bytes were changed as if they were the line ends and letters of a text' . ($size === $e['end'] || $e['end'] > 1e9 ? '.' : '; it should have ' . number_format($e['end']) . ' bytes and has ' . number_format($size) . '.'), $again, $sum);
	} elseif ($size < $e['end']) {
		note('bad', 'The program was cut off.', 'It should have ' . number_format($e['end']) . ' bytes and has ' . number_format($size) . ': the upload did not come to its end, or the disk is full.', $again, $sum);
	} elseif (!$e['whole'] || $size > $e['end'] + 65536) {
		note('bad', 'The program is damaged.', 'Its size or its end is not what its beginning says (' . number_format($e['end']) . ' bytes).', $again, $sum);
	} elseif (!in_array($e['type'], [2, 3], true) || !$s['ours']) {
		note('bad', 'The program is another one, not mintkeep.', "It is $path.", 'Take the file mintkeep-linux-amd64 from the release.', 'file ' . quoted($path));
		return;
	} else {
		note('good', 'The program is whole (' . number_format($size) . ' bytes).');
	}
	look_at_machine($path, $e);
}

// look_at_machine compares what the program is made for with what this host is.
function look_at_machine($path, $e) {
	$kinds = [62 => 'amd64', 183 => 'arm64', 3 => '386', 40 => '32-bit ARM', 243 => 'RISC-V', 21 => 'PowerPC', 22 => 'IBM Z', 8 => 'MIPS', 258 => 'LoongArch'];
	$kind = isset($kinds[$e['machine']]) ? $kinds[$e['machine']] : 'an unknown processor';
	$name = function_exists('php_uname') ? strtolower((string) php_uname('m')) : '';
	$host = preg_match('/^(x86_64|amd64)$/', $name) ? 'amd64' : (preg_match('/^(aarch64|arm64)/', $name) ? 'arm64' : (preg_match('/^i\d86/', $name) ? '386' : ''));
	if ($host === '' && ($own = elf('/proc/self/exe', 1)) && start('/proc/self/exe', 4) === "\x7fELF" && isset($kinds[$own['machine']])) {
		$host = $kinds[$own['machine']];
	}
	if (stripos(PHP_OS, 'linux') === false) {
		note('bad', 'This host runs ' . PHP_OS . ', and the program is for Linux.', 'It does not start here.', 'Ask the host for one with Linux.', 'go build -o mintkeep .');
	} elseif ($host === '') {
		note('warn', "The program is for $kind; this host does not say what it is.", 'If it is another kind of processor, the program does not start.', 'Ask the host whether its processors are ' . $kind . '.', 'uname -m');
	} elseif ($host !== $kind && !($host === 'amd64' && $kind === '386')) {
		$take = 'mintkeep-linux-' . $host;
		note('bad', "The program is for another kind of processor ($kind; this host is $host).", 'It does not start here.', "Upload $take from the release in its place, in binary mode, with permissions 755.", 'uname -m');
	} else {
		note('good', "The program is for this kind of processor ($kind).");
	}
	if ($e['interpreter'] !== '' && !@file_exists($e['interpreter']) && seen($e['interpreter']) === 'missing') {
		note('bad', 'The program needs ' . visible($e['interpreter']) . ', which this host does not have.', 'It was not taken from a release, but built on another computer.', 'Take the program from a release: it needs nothing.', 'ldd ' . quoted($path));
	} elseif ($e['interpreter'] !== '') {
		note('warn', 'The program needs libraries of this host.', 'It was not taken from a release, but built on another computer; if its libraries are newer than those here, it does not start.', 'Take the program from a release: it needs nothing.', 'ldd ' . quoted($path));
	}
}

// look_at_database: the folder, which must be there, apart from what visitors see, and the owner's.
function look_at_database($config, $name, $set) {
	if (!isset($set['database'])) {
		note('bad', "$name has no line \"database:\".", 'It says where the database is, or is to be made.', "Add to $name: database: ../../mintkeep/tokens.db", 'grep -n : ' . quoted($config));
		return;
	}
	$path = absolute(dirname($config), $set['database']);
	$folder = dirname($path);
	$owner = fileowner($config);
	foreach (['DOCUMENT_ROOT', 'CONTEXT_DOCUMENT_ROOT', ''] as $key) {
		$root = $key === '' ? __DIR__ : (isset($_SERVER[$key]) ? absolute('/', $_SERVER[$key]) : '');
		if (within($root, $path) && !(isset($set['database_in_docroot']) && $set['database_in_docroot'] === 'yes')) {
			note('bad', 'The database lies where visitors can reach it.', "$path is below $root, which the web server shows.", 'Make a folder beside the one that the server shows, and name it in the line "database:". If your whole space is public: docs/hosts.md, "If your whole space is public".', 'mkdir -m 700 ' . quoted(dirname($root) . '/mintkeep'));
			return;
		}
	}
	$state = seen($folder);
	if ($state === 'missing') {
		note('bad', 'The folder of the database is not there.', "It would be $folder, as $name says (paths are seen from the folder of $name)." . (substr($set['database'], 0, 1) === '/' ? ' A path that begins with / starts at the root of the machine, not of your FTP account.' : ''),
			'Make an empty folder of that name, with permissions 700, or correct the line "database:". The lowest folder of it that is there: ' . nearest($folder), 'mkdir -m 700 ' . quoted($folder));
	} elseif ($state !== 'there') {
		unseen('The folder of the database', $folder, $owner);
	} elseif (!is_dir($folder)) {
		note('bad', "$folder is a file, not a folder.", 'The database lies in a folder of its own.', 'Correct the line "database:".', 'ls -ld ' . quoted($folder));
	} else {
		look_at_folder($folder, $path, $owner, isset($set['errorlog']) ? basename($set['errorlog']) : '');
	}
}

function look_at_folder($folder, $path, $owner, $log) {
	$mode = mode($folder);
	$uid = fileowner($folder);
	$fine = true;
	$note = function ($level, $what, $means, $ftp, $shell) use (&$fine) {
		$fine = false;
		note($level, $what, $means, $ftp, $shell);
	};
	if (($mode & 0022) !== 0) {
		$note('bad', sprintf('The folder of the database can be changed by others (permissions %03o).', $mode), 'Other customers of the host could put a database of theirs in its place.', "Set the permissions of $folder to 700.", 'chmod 700 ' . quoted($folder));
	} elseif (($mode & 0044) !== 0) {
		$note('warn', sprintf('Others can look into the folder of the database (permissions %03o).', $mode), 'They see the names of the files, not what is in them.', "Set the permissions of $folder to 700.", 'chmod 700 ' . quoted($folder));
	}
	if (($mode & 0700) !== 0700) {
		$note('bad', sprintf('Its owner cannot write into the folder of the database (permissions %03o).', $mode), 'SQLite makes a second file beside the database whenever it writes.', "Set the permissions of $folder to 700.", 'chmod 700 ' . quoted($folder));
	}
	if ($uid !== $owner && $uid !== process()) {
		$note('bad', 'The folder of the database belongs to another user (' . user($uid) . ') than token.cgi (' . user($owner) . ').', 'Programs run as the owner of token.cgi, or as the web server.', "Make $folder with the FTP account that uploads token.cgi.", 'ls -ld ' . quoted($folder));
	} elseif ($uid !== $owner) {
		$note('warn', 'The folder of the database belongs to the user of the web server (' . user($uid) . ').', 'That is right only where CGI programs run as that user, too; where they run as you, they cannot write into it.',
			"Make $folder with the FTP account that uploads token.cgi.", 'ls -ld ' . quoted($folder));
	} elseif ($uid === process() && ($mode & 0700) === 0700 && !is_writable($folder)) {
		$note('bad', 'The folder of the database cannot be written.', "$folder is on a file system that is read-only, or full.", 'Ask the host.', 'touch ' . quoted($folder . '/try'));
	} elseif ($uid !== process() && process() !== null) {
		$note('warn', 'PHP runs as another user (' . user(process()) . ') than you (' . user($uid) . ').', 'Where CGI programs run as you (suexec), nothing is wrong. Where they run as the web server, it cannot write into the folder of the database.',
			'If the page of token.cgi says that it cannot write, ask the host for suexec.', 'ls -ld ' . quoted($folder));
	}
	$there = entries($folder);
	$visible = array_filter($there, function ($file) use ($log) { return $file[0] !== '.' && $file !== 'check' && $file !== $log; });
	if (!@file_exists($path) && $visible && @is_readable($folder)) {
		$note('bad', 'The database is not there, and its folder is not empty.', "$path would only be made in an empty folder: an existing database must not be overlooked because of a wrong name.", 'Empty the folder (keep what you need elsewhere), or correct the line "database:".', 'ls -la ' . quoted($folder));
	}
	foreach ([$path => 0022, $folder . '/mintkeep.key' => 0077] as $file => $bits) {
		if (@is_file($file) && (mode($file) & $bits) !== 0) {
			$note('bad', sprintf('%s may be %s by others (permissions %03o).', basename($file), $bits === 0022 ? 'changed' : 'opened', mode($file)), 'The program refuses it then.', 'Set its permissions to 600.', 'chmod 600 ' . quoted($file));
		}
	}
	if ($fine) {
		note('good', sprintf('The folder of the database is there, and only its owner can look into it (permissions %03o).', $mode));
	}
}

// look_at_htaccess: the file that makes Apache run token.cgi.
function look_at_htaccess($scripts) {
	$server = isset($_SERVER['SERVER_SOFTWARE']) ? $_SERVER['SERVER_SOFTWARE'] : '';
	$path = __DIR__ . '/.htaccess';
	if (preg_match('~^(nginx|lighttpd|caddy)~i', $server, $m)) {
		note('good', "The web server here is $m[1], which reads no .htaccess.", 'The folder deploy has a file for it.');
		return;
	}
	if (!is_file($path)) {
		$other = array_values(array_filter(entries(__DIR__), function ($name) { return preg_match('/hta?c+ess?/i', $name) && $name !== '.htaccess' && is_file(__DIR__ . '/' . $name); }));
		$also = $other ? ' There is a file ' . visible($other[0]) . ': that is its name on your computer, but not here.' : '';
		note('bad', 'There is no .htaccess in this folder.', 'Without it Apache shows the text of token.cgi, or refuses it. FTP programs and the Finder do not show names that begin with a dot, and often leave them behind.' . $also,
			$other ? 'Rename it to .htaccess. (If you renamed it to open this page: it is the cause of the error 500; what can be said about it follows.)' : 'Upload apache-cgi.htaccess as "htaccess.txt", and rename it to .htaccess on the server. (FileZilla: Server, "Force showing hidden files".)', 'ls -la ' . quoted(__DIR__));
		if (!$other) {
			return;
		}
		$path = __DIR__ . '/' . $other[0];
	}
	look_at_lines($path, visible(basename($path)), (string) @file_get_contents($path, false, null, 0, 65536), $scripts);
}

// mixed_options: Apache wants a sign before all words of a line Options, or before none.
function mixed_options($lines) {
	preg_match_all('/^\s*Options[ \t]+(.*?)\s*$/mi', $lines, $m);
	foreach ($m[1] as $words) {
		$signed = preg_match_all('/(?<!\S)[+-]\S/', $words);
		if ($signed !== 0 && $signed !== preg_match_all('/\S+/', $words)) {
			return true;
		}
	}
	return false;
}

function look_at_lines($path, $name, $text, $scripts) {
	$fine = true;
	$note = function ($level, $what, $means, $ftp, $shell) use (&$fine) {
		$fine = false;
		note($level, $what, $means, $ftp, $shell);
	};
	$again = "Save $name as \"UTF-8\" (without BOM), and upload it again.";
	if (!@is_readable($path) || (mode($path) & 0004) === 0) {
		$note('warn', sprintf('The web server may not be able to read %s (permissions %03o).', $name, mode($path)), 'Then it refuses the whole folder ("Forbidden").', "Set the permissions of $name to 644.", 'chmod 644 ' . quoted($path));
	}
	if (($mark = encoded($text)) !== null) {
		$note('bad', "$name begins with $mark.", 'Apache takes it for a part of the first line, does not know that, and answers 500 for the whole folder.', $again, $mark[0] === 'a' ? 'sed -i ' . quoted('1s/^\xEF\xBB\xBF//') . ' ' . quoted($path) : 'iconv -f UTF-16 -t UTF-8 ' . quoted($path) . ' > new && mv new ' . quoted($path));
		$text = $mark[0] === 'a' ? substr($text, 3) : str_replace("\0", '', substr($text, 2));
	}
	if (strpos($text, "\n") === false && strpos(rtrim($text, "\r"), "\r") !== false) {
		$note('bad', "$name has the line ends of old Macintoshes (CR).", 'For Apache the whole file is one line.', 'Save it with the line ends "Unix (LF)", and upload it again.', "tr '\\r' '\\n' < " . quoted($path) . ' > new && mv new ' . quoted($path));
		$text = str_replace("\r", "\n", $text);
	}
	$lines = preg_replace('/^\s*#.*$/m', '', $text);
	if (preg_match('/[\x80-\xff]|&(lt|gt|quot|nbsp);/', $lines)) {
		$note('bad', "$name has characters that do not belong there.", 'Typographic quotes, or blanks that are none, come from copying out of a page; Apache does not know them.', 'Upload deploy/apache-cgi.htaccess as .htaccess, or type the lines.', 'cat -A ' . quoted($path));
		$lines = str_replace(["\u{a0}", "\u{201c}", "\u{201d}", '&nbsp;', '&quot;'], [' ', '"', '"', ' ', '"'], $lines);
	}
	// (Apache lets an <IfModule> run to the end of the file)
	if (preg_match_all('~^\s*<(?!If)[a-z]+~mi', $lines) !== preg_match_all('~^\s*</(?!If)[a-z]+~mi', $lines) || preg_match_all('~^\s*<If~mi', $lines) < preg_match_all('~^\s*</If~mi', $lines)) {
		$note('bad', "$name has a section without its beginning or end.", 'To each <IfModule …> belongs a </IfModule>; one may have been lost on the way. Apache answers 500 for the whole folder.', 'Upload it again, to its end.', 'cat ' . quoted($path));
	}
	if (preg_match('/^\s*php_(value|flag|admin_)/mi', preg_replace('~<IfModule.*?</IfModule>~si', '', $lines))) {
		$note('warn', "$name has lines for PHP as a module (php_value, php_flag).", 'Where PHP is no module of Apache, they are an error 500.', 'Take these lines out.', 'grep -n php_ ' . quoted($path));
	}
	foreach ($scripts as $script) {
		$ending = preg_quote(strrchr(basename($script), '.'), '/');
		if (!preg_match('/^\s*AddHandler\s+"?f?cgid?-script"?\s.*' . $ending . '\b/mi', $lines) && !preg_match('/^\s*SetHandler\s+"?f?cgid?-script/mi', $lines)) {
			$note('bad', "$name does not say that " . basename($script) . ' is a program.', 'Then Apache shows its text, unless the host has set it for your whole space.', 'Add the line: AddHandler cgi-script ' . strrchr(basename($script), '.'), 'grep -n Handler ' . quoted($path));
			break;
		}
	}
	if (!preg_match('/^\s*Options\s.*\bExecCGI\b/mi', $lines)) {
		$note('warn', "$name has no line Options +ExecCGI.", 'Where the host has not set it for you, Apache answers "Forbidden". Where the host forbids the line, it answers 500.', 'If you see "Forbidden", add the line: Options +ExecCGI', 'grep -n Options ' . quoted($path));
	} elseif (mixed_options($lines)) {
		$note('bad', "A line Options in $name mixes words with and without a sign.", 'Apache answers 500 for the whole folder.', 'Write: Options +ExecCGI', 'grep -n Options ' . quoted($path));
	}
	if (!preg_match('/^\s*(SetEnvIf\s+Authorization\s+"?\(\.[+*]\)"?\s+HTTP_AUTHORIZATION=|CGIPassAuth\s+On|RewriteRule\s.*HTTP_AUTHORIZATION)/mi', $lines)) {
		$note('warn', "$name has no line that lets the app's token through.", 'Apache hides it from programs, so every app would be refused.', 'Add the line: SetEnvIf Authorization "(.+)" HTTP_AUTHORIZATION=$1', 'grep -n Authorization ' . quoted($path));
	}
	if ($fine) {
		note('good', "$name has the lines that it needs.", 'If token.cgi still answers 500, the host may forbid the line Options +ExecCGI: take it out, and try again.');
	}
}

// look_at_mintoken: php-mintoken's own endpoint, left running on the same database.
function look_at_mintoken() {
	foreach ([__DIR__, __DIR__ . '/mintoken', dirname(__DIR__) . '/mintoken', dirname(__DIR__)] as $folder) {
		$path = $folder . '/endpoint.php';
		if (@is_file($path) && stripos(start($path, 65536), 'MINTOKEN_') !== false) {
			note('warn', "php-mintoken's endpoint.php is still there.", "It is $path. It goes on answering: it accepts tokens that have ended or were revoked, and says 200 to a revocation that it does not make.",
				'Make a copy of the database, then delete endpoint.php. There is no way back to php-mintoken.', 'rm ' . quoted(absolute('/', $path)));
			return;
		}
	}
}

// look_for_names: no script is here. Something like it?
function look_for_names() {
	$near = [];
	foreach (entries(__DIR__) as $name) {
		if (stripos($name, 'token') === 0 && $name !== 'token.php') {
			$near[] = visible($name);
		}
	}
	$more = $near ? 'There is ' . implode(', ', array_slice($near, 0, 5)) . '. Windows hides endings such as .txt and adds them.' : 'This page looks only into its own folder, ' . __DIR__ . '.';
	note('bad', 'There is no token.cgi in this folder.', $more, $near ? 'Rename it to token.cgi.' : 'Upload token.cgi into this folder, or upload why.php into the folder of token.cgi.', 'ls -la ' . quoted(__DIR__));
}

// look_at_php: token.php names program and configuration.
function look_at_php($path) {
	$text = start($path, 65536);
	$named = [];
	foreach (['program', 'config'] as $what) {
		if (preg_match('~\$' . $what . '\s*=\s*(__DIR__\s*\.\s*)?[\'"]([^\'"]+)[\'"]~', $text, $m)) {
			$named[$what] = $m[1] === '' ? absolute('/', $m[2]) : absolute(__DIR__, ltrim($m[2], '/'));
		}
	}
	if (!function_exists('proc_open')) {
		note('bad', 'This host forbids PHP to start programs (proc_open).', 'token.php cannot work then.', 'Ask the host to allow it, or run mintkeep as a CGI program.', 'php -i | grep disable_functions');
	}
	foreach ($named as $what => $file) {
		if (seen($file) === 'missing') {
			note('bad', $what === 'program' ? 'token.php names a program that is not there.' : 'token.php names a mintkeep.conf that is not there.', "It would be $file.", 'Upload it to that place, or correct the path at the top of token.php.', 'ls -l ' . quoted($file));
		} elseif (seen($file) !== 'there') {
			unseen($file, $file, fileowner($path));
		} elseif ($what === 'program') {
			look_at_program($file, fileowner($path), 'the program');
		} else {
			look_at_database($file, basename($file), values(start($file, 65536)));
		}
	}
}

function look() {
	$scripts = scripts();
	foreach (array_slice($scripts, 0, 3) as $script) {
		look_at_script($script);
	}
	if (!$scripts && is_file(__DIR__ . '/token.php')) {
		look_at_php(__DIR__ . '/token.php');
	} else {
		if (!$scripts) {
			look_for_names();
		}
		look_at_htaccess($scripts);
	}
	look_at_mintoken();
}

// e is a text for HTML; what does not show, or turns the order of letters, is written as its bytes.
function e($text) {
	$text = preg_replace_callback('/[\x00-\x1f\x7f]|\xe2\x80[\x8e\x8f\xaa-\xae]|\xe2\x81[\xa6-\xa9]/', function ($m) { return '\x' . implode('\x', str_split(bin2hex($m[0]), 2)); }, $text);
	return htmlspecialchars($text, ENT_QUOTES | ENT_SUBSTITUTE, 'UTF-8');
}

// finding is one of them as HTML.
function finding($f) {
	list($level, $what, $means, $ftp, $shell) = $f;
	$html = '<section class="card ' . $level . '"><h2><span class="tag">' . ($level === 'bad' ? 'Broken' : 'Could be better') . '</span> ' . e($what) . '</h2>';
	$html .= $means === '' ? '' : '<p>' . e($means) . '</p>';
	$html .= '<div class="two"><div><h3>With FTP</h3><p>' . e($ftp) . '</p></div><div><h3>With a shell</h3><pre>' . e($shell) . '</pre></div></div></section>';
	return $html . "\n";
}

function page($title, $body) {
	$style = ':root{color-scheme:light dark;--page:#f7f4ed;--card:#fffefb;--sunk:#efece3;--ink:#23211c;--soft:#625d52;--line:#dfdacd;--accent:#11694b;--tint:#e2f0e7;--bad:#a5301f;--bad-tint:#fbeae5;--warn:#795000;--warn-tint:#fbf0d4}'
		. '@media(prefers-color-scheme:dark){:root{--page:#171512;--card:#201e1a;--sunk:#2b2823;--ink:#ece7dd;--soft:#aca595;--line:#36322b;--accent:#79d3ab;--tint:#1c3529;--bad:#f3a292;--bad-tint:#3a211c;--warn:#e6b95f;--warn-tint:#352a14}}'
		. '*{box-sizing:border-box}body{margin:0;background:var(--page);color:var(--ink);font:1rem/1.55 system-ui,"Segoe UI",Roboto,"Noto Sans",sans-serif;overflow-wrap:anywhere}'
		. '.wrap{max-width:60rem;margin:auto;padding:1rem clamp(1rem,4vw,2rem)}header{background:var(--card);border-bottom:1px solid var(--line);font:600 1.0625rem/1.2 "Iowan Old Style","Palatino Linotype",Georgia,"Noto Serif",serif}'
		. 'svg{width:1.75rem;height:1.75rem;color:var(--accent);vertical-align:middle;margin-right:.6rem}h1{font:600 1.75rem/1.2 "Iowan Old Style","Palatino Linotype",Georgia,"Noto Serif",serif;margin:1rem 0 .4rem}'
		. 'h2{font-size:1.125rem;line-height:1.35;margin:0}h3{font-size:1rem;margin:0}p{margin:.75rem 0 0}h1+p,footer{color:var(--soft)}.card{background:var(--card);border:1px solid var(--line);border-radius:.75rem;padding:clamp(1rem,4vw,1.5rem);margin-top:1rem}'
		. '.tag{display:inline-block;padding:.05rem .6rem;border-radius:2rem;font-size:.8125rem;margin-right:.3rem}.tag::before{font-weight:700;margin-right:.35rem}.bad .tag{background:var(--bad-tint);color:var(--bad)}.bad .tag::before{content:"\00d7"}.warn .tag{background:var(--warn-tint);color:var(--warn)}.warn .tag::before{content:"!"}'
		. '.two{display:grid;gap:1rem 2rem;margin-top:1rem}.two>*{min-width:0}@media(min-width:42rem){.two{grid-template-columns:1fr 1fr}}pre{margin:.75rem 0 0;padding:.85rem 1rem;border-radius:.5rem;background:var(--sunk);white-space:pre-wrap;font:.875em/1.6 ui-monospace,Menlo,Consolas,"DejaVu Sans Mono",monospace}'
		. 'summary{cursor:pointer;font-weight:600;min-height:2.75rem;line-height:2.75rem}:focus-visible{outline:3px solid var(--accent);outline-offset:2px}ul{list-style:none;margin:0;padding:0}li{padding:.35rem 0 .35rem 1.4rem;position:relative}li::before{content:"\2713";position:absolute;left:0;color:var(--accent);font-weight:700}footer{font-size:.8125rem}';
	if (!headers_sent()) {
		header("Content-Security-Policy: default-src 'none'; style-src 'sha256-" . base64_encode(hash('sha256', $style, true)) . "'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'");
		foreach (['Content-Type: text/html; charset=utf-8', 'Cache-Control: no-store', 'X-Content-Type-Options: nosniff', 'X-Robots-Tag: noindex', 'Referrer-Policy: no-referrer', 'X-Frame-Options: DENY'] as $line) {
			header($line);
		}
	}
	echo '<!doctype html>', "\n", '<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1"><title>', e($title), '</title><style>', $style, '</style></head>', "\n",
		'<body><header><div class="wrap"><svg viewBox="0 0 28 28" aria-hidden="true" focusable="false"><path fill="currentColor" fill-rule="evenodd" d="M3 25V13A10 10 0 0 1 13 3H25V15A10 10 0 0 1 15 25ZM14 9a3 3 0 0 0-1.5 5.6L11.5 19h5l-1-4.4A3 3 0 0 0 14 9Z"/></svg>mintkeep</div></header>', "\n",
		'<main class="wrap"><h1>', e($title), "</h1>\n", $body, '</main><footer class="wrap">why.php answers for one hour after its upload. Delete it when all works.</footer></body></html>', "\n";
}

function report() {
	look();
	$by = ['bad' => [], 'warn' => [], 'good' => []];
	foreach ($GLOBALS['found'] as $f) {
		$by[$f[0]][] = $f;
	}
	list($bad, $good) = [count($by['bad']), count($by['good'])];
	$title = $bad > 1 ? "$bad things are broken" : ($bad === 1 ? 'One thing is broken' : ($by['warn'] ? 'Nothing is broken' : 'All is fine here'));
	$next = $bad > 0 ? ($bad > 1 ? 'Mend the first one first, then open this page again.' : 'Mend it, then open this page again.')
		: 'If token.cgi still answers 500: take the line Options +ExecCGI out of .htaccess; then ask your host whether it runs CGI programs, and how much memory it gives them (the file mintkeep-linux-386 needs less).';
	$body = '<p>' . e($next) . "</p>\n" . implode('', array_map('finding', array_merge($by['bad'], $by['warn'])));
	if ($good > 0) {
		$body .= '<details class="card"' . ($good === count($GLOBALS['found']) ? ' open' : '') . '><summary>' . $good . ($good === 1 ? ' check' : ' checks') . " passed</summary><ul>\n";
		foreach ($by['good'] as $f) {
			$body .= '<li>' . e($f[1] . ($f[2] === '' ? '' : ' ' . $f[2])) . "</li>\n";
		}
		$body .= "</ul></details>\n";
	}
	page($title, $body);
}

clearstatcache();
$uploaded = @filectime(__FILE__);
if ($uploaded === false || abs(time() - $uploaded) > 3600) {
	page('Upload it again', '<p>This page answers for one hour after its upload: upload why.php again.</p>');
} else {
	report();
}
