const path = require('path');
module.exports = { apps: [{ name: 'x', script: path.join('a', 'b') }] };
