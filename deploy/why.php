<?php
// Why does token.cgi answer with a blank error 500? Upload this file beside token.cgi,
// open it once in your browser, and delete it. It changes nothing and shows no secret.
// It answers for one hour after its upload. PHP 7.4 or newer.

const PROGRAM_BYTES = 4000000; // a whole program is larger than this
const LIFE = 3600;             // seconds that this file answers after its upload

/** One finding: what it is, what it means, what to do by FTP and by shell. */
function found(string $level, string $what, string $means = '', string $ftp = '', string $shell = ''): array
{
    return ['level' => $level, 'what' => $what, 'means' => $means, 'ftp' => $ftp, 'shell' => $shell];
}

function ok(string $what): array
{
    return found('ok', $what);
}

/** The permissions of a file as people write them: 755. */
function mode(string $path): string
{
    return sprintf('%03o', fileperms($path) & 07777);
}

/** Whether the owner of this site, as whom the script runs, may execute the file. */
function executable(string $path): bool
{
    return (fileperms($path) & 0111) === 0111;
}

/** suexec starts nothing that others may change, and nothing in a folder that others may change. */
function writableByOthers(string $path): bool
{
    $mode = fileperms($path);
    return ($mode & 022) !== 0 && ($mode & 01000) === 0; // a sticky folder, as /tmp, is not anybody's to change
}

function modeOf(string $path, string $name, bool $mustRun): array
{
    $is = mode($path);
    if (writableByOthers($path)) {
        return found('fail', "$name has the permissions $is", 'Others may change it, and the web server starts nothing of that kind.',
            'set its permissions to 755', "chmod 755 $name");
    }
    if ($mustRun && !executable($path)) {
        return found('fail', "$name has the permissions $is", 'It may not be executed.', 'set its permissions to 755', "chmod 755 $name");
    }
    return ok("$name has the permissions $is");
}

/** The file that the web server runs: its first bytes, its line ends, its permissions. */
function script(string $file, string $name): array
{
    $text = (string) file_get_contents($file, false, null, 0, 65536);
    $all = [];
    if (strncmp($text, "\xEF\xBB\xBF", 3) === 0) {
        $all[] = found('fail', "$name begins with a byte order mark", 'The server looks for #! in the first two bytes and finds an invisible mark instead.',
            'save it as “UTF-8” (not “UTF-8 with BOM”) and upload it again', "sed -i '1s/^\\xEF\\xBB\\xBF//' $name");
        $text = substr($text, 3);
    }
    if (strncmp($text, "\xFF\xFE", 2) === 0 || strncmp($text, "\xFE\xFF", 2) === 0) {
        return [found('fail', "$name is saved as UTF-16", 'The server reads plain text only.', 'save it as “UTF-8” and upload it again')];
    }
    $line = explode("\n", $text, 2)[0];
    if (strncmp($line, '#!', 2) !== 0) {
        $all[] = found('fail', "the first line of $name does not begin with #!", 'The line that names the program must be the very first, without a space or an empty line before it.',
            'make it #!../../bin/mintkeep cgi');
        return array_merge($all, [modeOf($file, $name, true)]);
    }
    $words = preg_split('/[ \t]+/', trim(substr($line, 2), " \t"), 2);
    $all[] = ok("the first line of $name is: " . rtrim($line, "\r"));
    if (substr($line, -1) === "\r" && (count($words) < 2 || trim($words[1]) === '')) {
        $all[] = found('fail', "the lines of $name end as on Windows", 'Without a word behind the program, the line end becomes part of the program’s name.',
            "write the word cgi behind the program: #!{$words[0]} cgi", "sed -i 's/\\r\$//' $name");
    }
    $all[] = modeOf($file, $name, true);
    return array_merge($all, program(rtrim($words[0], "\r"), dirname($file), $name));
}

/** The program that the first line names. */
function program(string $path, string $folder, string $name): array
{
    $full = $path[0] === '/' ? $path : "$folder/$path";
    if (strpos($path, '\\') !== false) {
        return [found('fail', "the first line of $name has a backslash", 'Paths on the server are written with /.', 'write / for each \\')];
    }
    if (!file_exists($full)) {
        $seen = realpath(dirname($full));
        return [found('fail', "there is no program at $path", $seen === false ? 'Not even the folder is there: ' . resolved(dirname($full)) . '.'
            : "The folder is there, the program is not: $seen.", 'correct the first line, or upload the program there; the path is seen from the folder of ' . $name)];
    }
    $full = realpath($full);
    if (is_dir($full)) {
        return [found('fail', "the first line of $name names a folder", $full, 'write the name of the program behind it: ' . "$path/mintkeep")];
    }
    $all = [modeOf($full, 'the program', true)];
    foreach (folders($full, $folder) as $dir) {
        if (writableByOthers($dir)) {
            $all[] = found('fail', "the folder $dir has the permissions " . mode($dir), 'Others may change what lies in it.', 'set its permissions to 755', "chmod 755 $dir");
        }
    }
    return array_merge($all, binary($full));
}

/** A path with its dots taken out, for a file that does not exist. */
function resolved(string $path): string
{
    $out = [];
    foreach (explode('/', $path) as $part) {
        if ($part === '..') {
            array_pop($out);
        } elseif ($part !== '' && $part !== '.') {
            $out[] = $part;
        }
    }
    return '/' . implode('/', $out);
}

/** The folders of the script and of the program, as far up as they are the owner’s. */
function folders(string $program, string $folder): array
{
    $all = [];
    foreach ([realpath($folder), dirname($program)] as $dir) {
        for (; $dir !== '/' && @fileowner($dir) === @fileowner($folder); $dir = dirname($dir)) {
            $all[$dir] = true;
        }
    }
    return array_keys($all);
}

/** Size and kind of the program: whole, not changed by a text-mode upload, for this processor. */
function binary(string $file): array
{
    $size = filesize($file);
    $head = (string) file_get_contents($file, false, null, 0, 64);
    $again = 'upload it again in binary mode, and compare its size with the one on your computer';
    if (strncmp($head, "\x7FELF", 4) !== 0) {
        return [found('fail', "the program ($size bytes) is not one for Linux", 'It is another file, a page that was saved in its place, or a program for another system.',
            'take the file mintkeep-linux-… of the release and ' . $again)];
    }
    $machine = unpack('v', substr($head, 18, 2))[1];
    $kinds = [3 => '386', 62 => 'amd64', 183 => 'arm64'];
    $kind = $kinds[$machine] ?? "number $machine";
    $host = php_uname('m');
    $runs = ['x86_64' => ['amd64', '386'], 'amd64' => ['amd64', '386'], 'aarch64' => ['arm64'], 'arm64' => ['arm64'], 'i686' => ['386'], 'i586' => ['386'], 'i386' => ['386']];
    $all = [];
    if (isset($runs[$host]) && !in_array($kind, $runs[$host], true)) {
        $all[] = found('fail', "the program is for the processor $kind, and this host has $host", 'It cannot start here.', 'take the file mintkeep-linux-' . $runs[$host][0] . ' of the release');
    }
    $end = elfEnd($head);
    if ($end > $size) {
        $all[] = found('fail', "the program has $size bytes and should have $end", 'The upload broke off, or text mode changed it.', $again, 'sha256sum mintkeep # as in SHA256SUMS of the release');
    } elseif ($size < PROGRAM_BYTES || $end === 0) {
        $all[] = found('fail', "the program has only $size bytes", 'The upload broke off, or it is another program.', $again);
    } elseif (!sectionNames($file, $head)) {
        $all[] = found('fail', "the program ($size bytes) was changed on its way", 'An upload in text mode adds or removes bytes.', $again, 'sha256sum mintkeep # as in SHA256SUMS of the release');
    }
    return $all ?: [ok("the program has $size bytes and is for $kind; this host has $host")];
}

/** Where a whole ELF file ends: its section headers stand last. 0 if the head is damaged. */
function elfEnd(string $head): int
{
    if (strlen($head) < 64) {
        return 0;
    }
    $wide = ord($head[4]) === 2;
    $at = $wide ? unpack('P', substr($head, 40, 8))[1] : unpack('V', substr($head, 32, 4))[1];
    $size = unpack('v', substr($head, $wide ? 58 : 46, 2))[1];
    $count = unpack('v', substr($head, $wide ? 60 : 48, 2))[1];
    return $at > 0 && $size > 0 && $count > 0 ? $at + $size * $count : 0;
}

/** Whether the last section, the names of all, is where the headers say: bytes added before it move it. */
function sectionNames(string $file, string $head): bool
{
    $wide = ord($head[4]) === 2;
    $at = $wide ? unpack('P', substr($head, 40, 8))[1] : unpack('V', substr($head, 32, 4))[1];
    $size = unpack('v', substr($head, $wide ? 58 : 46, 2))[1];
    $index = unpack('v', substr($head, $wide ? 62 : 50, 2))[1];
    $section = bytesAt($file, $at + $size * $index, $size);
    if (strlen($section) < 40) {
        return false;
    }
    $offset = $wide ? unpack('P', substr($section, 24, 8))[1] : unpack('V', substr($section, 16, 4))[1];
    $length = $wide ? unpack('P', substr($section, 32, 8))[1] : unpack('V', substr($section, 20, 4))[1];
    $names = bytesAt($file, $offset, $length);
    return strpos($names, ".text\0") !== false && strpos($names, ".shstrtab\0") !== false;
}

/** At most 64 KB of a file; empty where there are none. */
function bytesAt(string $file, int $offset, int $length): string
{
    if ($offset < 0 || $length <= 0 || $offset >= filesize($file)) {
        return '';
    }
    return (string) file_get_contents($file, false, null, $offset, min($length, 65536));
}

/** .htaccess beside the script. */
function htaccess(string $folder): array
{
    $file = "$folder/.htaccess";
    if (!file_exists($file)) {
        return [found('warn', 'there is no .htaccess beside token.cgi', 'Without it many servers show the text of token.cgi, or remove the Authorization header. FTP programs hide files whose names begin with a dot.',
            'upload apache-cgi.htaccess of the release under the name .htaccess, if your server is Apache or LiteSpeed')];
    }
    $text = (string) file_get_contents($file, false, null, 0, 65536);
    $all = [];
    if (strncmp($text, "\xEF\xBB\xBF", 3) === 0 || strncmp($text, "\xFF\xFE", 2) === 0) {
        $all[] = found('fail', '.htaccess begins with a byte order mark', 'The server takes the mark for a command that it does not know, and answers 500 to everything in this folder.',
            'save it as “UTF-8” (not “UTF-8 with BOM”) and upload it again', "sed -i '1s/^\\xEF\\xBB\\xBF//' .htaccess");
    }
    if ((fileperms($file) & 0444) !== 0444) {
        $all[] = found('fail', '.htaccess has the permissions ' . mode($file), 'The web server must be able to read it.', 'set its permissions to 644', 'chmod 644 .htaccess');
    }
    if (preg_match('/^\s*(CGIPassAuth|FcgidPassHeader|php_value|php_flag)\b/mi', $text, $m)) {
        $all[] = found('warn', ".htaccess has the line {$m[1]}", 'Many hosts answer 500 to it.', 'take it out and see');
    }
    if (preg_match('/^\s*Options\b/mi', $text)) {
        $all[] = found('note', '.htaccess has a line Options', 'Some hosts answer 500 to it. If nothing else on this page is wrong, take it out.');
    }
    return $all ?: [ok('.htaccess is there')];
}

/** The folder of the database, from the line `database:`. */
function database(string $file): array
{
    $text = (string) file_get_contents($file, false, null, 0, 65536);
    if (!preg_match('/^database:[ \t]*([^\r\n#]+?)[ \t]*(?:[ \t]#.*)?\r?$/m', $text, $m)) {
        return [found('warn', 'token.cgi has no line database:', 'The program cannot know where its database is.', 'add a line such as database: ../../mintkeep/tokens.db')];
    }
    $path = $m[1][0] === '/' ? $m[1] : dirname($file) . '/' . $m[1];
    $folder = dirname($path);
    if (!is_dir($folder)) {
        return [found('fail', 'the folder of the database is missing: ' . resolved($folder), 'The program makes the database, not the folder.', 'create it, with the permissions 700', 'mkdir -m 700 ' . resolved($folder))];
    }
    $folder = (string) realpath($folder);
    $all = [];
    $root = realpath($_SERVER['DOCUMENT_ROOT'] ?? '') ?: '';
    if ($root !== '' && $root !== '/' && strncmp("$folder/", "$root/", strlen($root) + 1) === 0) {
        $all[] = found('fail', "the folder of the database lies in what the web shows: $folder", 'Anybody could download it.', 'move it above ' . $root . ' and correct the line database:');
    }
    if (writableByOthers($folder)) {
        $all[] = found('fail', "the folder of the database has the permissions " . mode($folder), 'Others may change the database.', 'set its permissions to 700', "chmod 700 $folder");
    }
    if (fileowner($folder) !== fileowner($file)) {
        $all[] = found('warn', 'the folder of the database belongs to another user than token.cgi', 'If the program runs as you, it cannot write there.', 'create the folder with the same FTP account');
    }
    return $all ?: [ok("the folder of the database is there: $folder")];
}

/** Everything, for the folder that this file was uploaded to. */
function everything(string $folder): array
{
    $all = [modeOf($folder, 'this folder', false)];
    $file = "$folder/token.cgi";
    if (!file_exists($file)) {
        $near = array_map('basename', glob("$folder/[Tt][Oo][Kk][Ee][Nn]*") ?: []);
        return [found('fail', 'there is no token.cgi beside this file', $near ? 'There is: ' . implode(', ', $near) . '.' : 'This file belongs into the folder of token.cgi.',
            $near ? 'rename it to token.cgi' : 'upload both into one folder')];
    }
    $all = array_merge($all, script($file, 'token.cgi'), htaccess($folder), database($file));
    foreach (['endpoint.php', 'mintoken.php'] as $old) {
        if (is_file("$folder/$old") && strpos((string) file_get_contents("$folder/$old", false, null, 0, 65536), 'token_hash') !== false) {
            $all[] = found('warn', "php-mintoken’s $old is still here", 'It confirms revocations on this database and does not carry them out.', 'copy the database, then delete ' . $old);
        }
    }
    return $all;
}

function h(string $text): string
{
    return htmlspecialchars($text, ENT_QUOTES | ENT_SUBSTITUTE, 'UTF-8');
}

function show(array $all): string
{
    $sign = ['fail' => '× broken', 'warn' => '! perhaps', 'note' => '· note', 'ok' => '✓ fine'];
    usort($all, static function (array $a, array $b): int {
        $order = ['fail' => 0, 'warn' => 1, 'note' => 2, 'ok' => 3];
        return $order[$a['level']] <=> $order[$b['level']];
    });
    $html = '';
    foreach ($all as $f) {
        $html .= '<li class="' . $f['level'] . '"><b>' . $sign[$f['level']] . '</b> ' . h($f['what']);
        foreach (['' => $f['means'], 'By FTP: ' => $f['ftp'], 'By shell: ' => $f['shell']] as $before => $text) {
            $html .= $text === '' ? '' : '<p>' . $before . ($before === 'By shell: ' ? '<code>' . h($text) . '</code>' : h($text)) . '</p>';
        }
        $html .= "</li>\n";
    }
    $bad = count(array_filter($all, static function (array $f): bool { return $f['level'] === 'fail'; }));
    $title = $bad === 0 ? 'Nothing here explains an error 500.' : ($bad === 1 ? 'One thing is broken.' : "$bad things are broken.");
    $next = $bad === 0 ? 'Open token.cgi in your browser. If it still answers 500, ask your host what the error log says about it.' : 'Mend it and open this page again.';
    return '<h1>' . $title . '</h1><p>' . $next . "</p>\n<ul>\n$html</ul>\n<p>Delete why.php when you are done.</p>";
}

clearstatcache();
$style = 'body{max-width:42rem;margin:2rem auto;padding:0 1rem;font:1rem/1.55 system-ui,sans-serif;color:#23211c;background:#f7f4ed}'
    . 'ul{list-style:none;padding:0}li{background:#fffefb;border:1px solid #dfdacd;border-radius:.5rem;padding:.6rem 1rem;margin:.5rem 0}'
    . 'li p{margin:.2rem 0;color:#625d52}.fail b{color:#a5301f}.warn b{color:#795000}.ok b{color:#11694b}';
header('Content-Type: text/html; charset=utf-8');
header('Cache-Control: no-store');
header('X-Content-Type-Options: nosniff');
header("Content-Security-Policy: default-src 'none'; style-src 'sha256-" . base64_encode(hash('sha256', $style, true)) . "'; frame-ancestors 'none'");
$late = abs(time() - (int) filectime(__FILE__)) > LIFE;
echo "<!doctype html>\n<html lang=\"en\"><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\"><meta name=\"robots\" content=\"noindex\">",
    "<title>Why?</title><style>$style</style>\n", $late ? '<p>This page answers for one hour after its upload. Upload why.php again.</p>' : show(everything(__DIR__)), "\n</html>\n";
