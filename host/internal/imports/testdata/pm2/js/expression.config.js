module.exports = {
  apps: [{ name: 'x', script: 'x.js',
    env: { TOKEN: process.env.TOKEN } }],
};
