'use strict';

/** The platforms that packages are made for. */
const packages = [
  'linux-x64-gnu',
  'linux-x64-musl',
  'linux-arm64-gnu',
  'linux-arm64-musl',
  'darwin-x64',
  'darwin-arm64',
  'win32-x64-msvc',
];

/** A Linux whose Node links musl has no version of glibc in its report. */
function isMusl(running) {
  const { header } = running.report.getReport();
  return !header.glibcVersionRuntime;
}

/** The name of the package for a process. */
function nameOf(running) {
  const { platform, arch } = running;
  if (platform === 'linux') return `linux-${arch}-${isMusl(running) ? 'musl' : 'gnu'}`;
  return platform === 'win32' ? `win32-${arch}-msvc` : `${platform}-${arch}`;
}

module.exports = { packages, nameOf };
