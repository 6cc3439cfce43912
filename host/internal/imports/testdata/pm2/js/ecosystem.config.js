// The shop's processes.
module.exports = {
  apps: [{
    name: 'queue', // the worker
    script: 'worker.js',
    watch: true,
    instances: 'max',
    restart_delay: 4000,
    env: {NODE_ENV: 'production', GREETING: "it's ${fine}"},
  }, {
    name: "static", script: "npx", args: "serve -l 'tcp://127.0.0.1:5000' dist", cwd: "/srv/shop/web",
  }],
};
