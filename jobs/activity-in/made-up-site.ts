/**
 * The shop that generated visitors visit: its pages, searches, buttons and browsers. Everything here is made up and
 * plain ASCII without quotes or backslashes, so that it can stand in JSON as it is (a test checks that).
 */

const KINDS = ['shoes', 'jackets', 'tents', 'stoves', 'maps', 'lamps', 'ropes', 'packs', 'bottles', 'socks'];
const MAKES = ['aldan', 'brise', 'corvo', 'dorn', 'elstar', 'fjell', 'granit', 'halde', 'ister', 'jura'];
const TRAITS = ['light', 'warm', 'dry', 'tough', 'small', 'red', 'blue', 'classic', 'winter', 'trail'];

/** What a visitor can look at, the most visited first. */
export const PAGES: readonly string[] = [
  '/',
  ...KINDS.map((kind) => `/shop/${kind}`),
  '/cart',
  '/help/delivery',
  '/stores',
  ...TRAITS.flatMap((trait, t) =>
    MAKES.flatMap((make, m) =>
      KINDS.map((kind, k) => `/shop/${kind}/${make}-${trait}-${1000 + t * 100 + m * 10 + k}`),
    ),
  ),
];

/** What is searched for. */
export const SEARCHES: readonly string[] = TRAITS.flatMap((trait) =>
  KINDS.flatMap((kind) => [`${trait} ${kind}`, kind, `${MAKES[kind.length]} ${kind} ${trait}`]),
);

/** What is clicked on. */
export const ELEMENTS: readonly string[] = [
  'add-to-cart',
  'image',
  'size',
  'reviews',
  'similar-item',
  'menu',
  'wish-list',
  'newsletter',
  'checkout',
  'help',
];

/** Where visits come from; an empty one: typed in or unknown. */
export const REFERRERS: readonly string[] = [
  '',
  'https://www.google.com/',
  'https://www.bing.com/',
  'https://duckduckgo.com/',
  'https://news.example.org/outdoors',
  'https://blog.example.net/packing-lists',
  'https://mail.example.com/',
];

const FIREFOX = (system: string, version: number) =>
  `Mozilla/5.0 (${system}; rv:${version}.0) Gecko/20100101 Firefox/${version}.0`;
const CHROME = (system: string, version: number) =>
  `Mozilla/5.0 (${system}) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/${version}.0.0.0 Safari/537.36`;

/** What browsers call themselves, the most usual first. */
export const USER_AGENTS: readonly string[] = [
  CHROME('Windows NT 10.0; Win64; x64', 142),
  CHROME('Linux; Android 10; K', 142),
  'Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.6 Mobile/15E148 Safari/604.1',
  CHROME('Macintosh; Intel Mac OS X 10_15_7', 142),
  FIREFOX('Windows NT 10.0; Win64; x64', 145),
  CHROME('Windows NT 10.0; Win64; x64', 141),
  FIREFOX('X11; Linux x86_64', 145),
  CHROME('X11; Linux x86_64', 140),
  FIREFOX('Macintosh; Intel Mac OS X 10.15', 144),
];

/** The one client that a skewed stream comes from. */
export const MONITOR = { host: '192.0.2.1', userAgent: 'uptime-monitor/2.1', page: '/health' } as const;
