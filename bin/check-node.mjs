// npm puts node_modules/.bin first in PATH, so this is the Node that npm installed.
const major = Number(process.versions.node.split('.')[0]);
if (major < 24) {
  console.error(
    `error: Node ${process.version} runs this script, but millrace needs Node 24, which "npm install" brings as the ` +
      `optional dependency node-${process.platform}-${process.arch}; run "npm install" without --omit=optional`,
  );
  process.exit(1);
}
