<?php
// For hosts that run PHP but no CGI programs: hands each request to the program.
// Upload the program in binary mode with permissions 755, and mintkeep.conf with
// `url: …/token.php`; both, and the database, outside what the web server shows.
$program = __DIR__ . '/../../bin/mintkeep';
$config = __DIR__ . '/../../mintkeep.conf';
// Nothing below this line needs a change.

ini_set('display_errors', '0');
ignore_user_abort(true);

function refuse($status, $error, $said, $logged) {
	error_log('mintkeep: ' . $logged);
	http_response_code($status);
	header('Content-Type: application/json');
	header('Cache-Control: no-store');
	if ($status === 503) {
		header('Retry-After: 60');
	}
	echo json_encode(['error' => $error, 'error_description' => $said]), "\n";
	exit;
}

// PHP and Apache each have their ways of hiding the Authorization header.
function authorization() {
	foreach (['HTTP_AUTHORIZATION', 'REDIRECT_HTTP_AUTHORIZATION', 'REDIRECT_REDIRECT_HTTP_AUTHORIZATION'] as $name) {
		if (!empty($_SERVER[$name])) {
			return $_SERVER[$name];
		}
	}
	foreach (function_exists('getallheaders') ? getallheaders() : [] as $name => $value) {
		if (strcasecmp($name, 'Authorization') === 0 && $value !== '') {
			return $value;
		}
	}
	if (isset($_SERVER['PHP_AUTH_USER'])) {
		return 'Basic ' . base64_encode($_SERVER['PHP_AUTH_USER'] . ':' . ($_SERVER['PHP_AUTH_PW'] ?? ''));
	}
	return '';
}

// The request as a CGI program expects it (RFC 3875), and nothing of the server's own.
function cgi_environment($config, $length) {
	$env = ['GATEWAY_INTERFACE' => 'CGI/1.1', 'MINTKEEP_CONFIG' => $config, 'CONTENT_LENGTH' => (string) $length];
	foreach (['REQUEST_METHOD', 'REQUEST_URI', 'QUERY_STRING', 'SCRIPT_NAME', 'PATH_INFO', 'CONTENT_TYPE', 'HTTPS',
		'SERVER_NAME', 'SERVER_PORT', 'SERVER_PROTOCOL', 'SERVER_SOFTWARE', 'REMOTE_ADDR', 'REMOTE_PORT',
		'DOCUMENT_ROOT', 'CONTEXT_DOCUMENT_ROOT'] as $name) {
		if (isset($_SERVER[$name])) {
			$env[$name] = (string) $_SERVER[$name];
		}
	}
	foreach ($_SERVER as $name => $value) {
		if (strncmp($name, 'HTTP_', 5) === 0 && is_string($value)
			&& !in_array($name, ['HTTP_PROXY', 'HTTP_TRANSFER_ENCODING', 'HTTP_CONTENT_LENGTH', 'HTTP_AUTHORIZATION'])) {
			$env[$name] = $value;
		}
	}
	if (($authorization = authorization()) !== '') {
		$env['HTTP_AUTHORIZATION'] = $authorization;
	}
	return $env;
}

if (!function_exists('proc_open')) {
	refuse(503, 'temporarily_unavailable', 'This host forbids PHP to start programs: proc_open is in the list disable_functions of its PHP settings. '
		. 'The owner can have it allowed, or run mintkeep as a CGI program.', 'proc_open is disabled (disable_functions)');
}
$body = (string) file_get_contents('php://input', false, null, 0, (64 << 10) + 1);
if ($body === '' && empty($_SERVER['CONTENT_LENGTH']) && stripos($_SERVER['HTTP_TRANSFER_ENCODING'] ?? '', 'chunked') !== false) {
	refuse(411, 'invalid_request', 'The request was sent in chunks, and this server does not hand those to PHP; send it with its length.',
		'a chunked request was lost on the way to PHP (Apache: SetEnvIf Transfer-Encoding "chunked" proxy-sendcl=1)');
}
$errors = tmpfile();
$process = proc_open(PHP_VERSION_ID >= 70400 ? [$program] : 'exec ' . escapeshellarg($program),
	[['pipe', 'r'], ['pipe', 'w'], $errors ?: ['file', '/dev/null', 'w']], $pipes, dirname($config),
	cgi_environment($config, strlen($body)));
$answer = '';
if (is_resource($process)) {
	@fwrite($pipes[0], $body);
	fclose($pipes[0]);
	$answer = (string) stream_get_contents($pipes[1]);
	fclose($pipes[1]);
	proc_close($process);
}
if ($errors && fseek($errors, 0) === 0 && ($text = trim((string) stream_get_contents($errors))) !== '') {
	error_log($text);
}
list($head, $rest) = explode("\r\n\r\n", $answer, 2) + ['', null];
if ($rest === null) {
	refuse(503, 'temporarily_unavailable', 'The program behind this page gave no answer. Its owner finds the reason in the error log of PHP.',
		"$program gave no answer; is it there, uploaded in binary mode, with permissions 755, and for this kind of machine?");
}
foreach (explode("\r\n", $head) as $line) {
	list($name, $value) = explode(': ', $line, 2) + ['', ''];
	if ($name === 'Status') {
		http_response_code((int) $value);
	} elseif ($name !== 'Content-Length') {
		header($line, false);
	}
}
echo $rest;
