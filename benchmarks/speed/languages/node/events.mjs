// The events of the workloads, made from their numbers: benchmarks/speed/workloads.py in JavaScript.

import { buildPageView, buildSelfDescribingEvent, buildStructEvent } from '@snowplow/node-tracker';

const ORDER_SCHEMA = 'iglu:com.acme/order_placed/jsonschema/1-0-0';
const PRODUCT_SCHEMA = 'iglu:com.acme/product/jsonschema/1-0-0';
const SHOPPER_SCHEMA = 'iglu:com.acme/shopper/jsonschema/1-0-0';

const USER_AGENT = 'Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0';

const FIXED_NUMBER = 0; // of the subject that belongs to the tracker

// A mix repeats these ten, by the last digit of the event's number.
const MIX = [
  ...Array(6).fill(trackVisitorPageView),
  ...Array(2).fill(trackStructured),
  trackSelfDescribing1,
  trackSelfDescribing2,
];

// What makes and tracks the event of a number, by workload.
export const WORKLOADS = {
  page_view: trackPageView,
  visitor_page_view: trackVisitorPageView,
  structured: trackStructured,
  self_describing_1: trackSelfDescribing1,
  self_describing_2: trackSelfDescribing2,
  mix: (tracker, number) => MIX[number % 10](tracker, number),
};

// Returns the subject of the tracker that plays a workload; undefined where it has none.
export function trackerSubject(workload) {
  return workload === 'page_view' ? subject(FIXED_NUMBER) : undefined;
}

function trackPageView(tracker, number) {
  tracker.track(pageView(number));
}

function trackVisitorPageView(tracker, number) {
  const event = pageView(number);
  // The tracker's setters would put the subject on every later event too.
  const { userId, ipAddress, useragent, lang } = subject(number);
  event.add('uid', userId);
  event.add('ip', ipAddress);
  event.add('ua', useragent);
  event.add('lang', lang);
  tracker.track(event);
}

function pageView(number) {
  return buildPageView({
    pageUrl: `https://shop.example.com/products/${number}?ref=list&page=${number % 50}`,
    pageTitle: `Product ${number}`,
    referrer: `https://shop.example.com/catalogue/${number % 100}`,
  });
}

function subject(number) {
  return {
    userId: `user-${number % 10_000}`,
    ipAddress: `203.0.113.${(number % 250) + 1}`,
    useragent: USER_AGENT,
    lang: 'en-GB',
  };
}

function trackStructured(tracker, number) {
  tracker.track(
    buildStructEvent({
      category: `department-${number % 20}`,
      action: 'add-to-basket',
      label: `sku-${number}`,
      property: `list-${number % 7}`,
      value: (number % 1000) + 0.5,
    })
  );
}

function trackSelfDescribing1(tracker, number) {
  tracker.track(orderPlaced(number), [product(number)]);
}

function trackSelfDescribing2(tracker, number) {
  tracker.track(orderPlaced(number), [product(number), shopper(number)]);
}

function orderPlaced(number) {
  return buildSelfDescribingEvent({ event: { schema: ORDER_SCHEMA, data: order(number) } });
}

function order(number) {
  return {
    orderId: `order-${number}`,
    customer: `customer-${number % 10_000}`,
    currency: 'EUR',
    total: (number % 500) + 0.25,
    express: number % 2 === 0,
    voucher: null,
    items: [
      { sku: `sku-${number}`, quantity: (number % 9) + 1, price: (number % 90) + 0.5 },
      { sku: `sku-${number + 1}`, quantity: 1, price: 12.75 },
    ],
    address: { street: `Main Street ${number % 300}`, city: 'Köln', country: 'DE' },
  };
}

function product(number) {
  return {
    schema: PRODUCT_SCHEMA,
    data: {
      sku: `sku-${number}`,
      name: `Product ${number}`,
      category: `department-${number % 20}`,
      price: (number % 90) + 0.5,
      inStock: number % 3 !== 0,
      tags: ['new', 'garden', `list-${number % 7}`],
    },
  };
}

function shopper(number) {
  return {
    schema: SHOPPER_SCHEMA,
    data: {
      customer: `customer-${number % 10_000}`,
      visits: number % 40,
      segment: `segment-${number % 12}`,
      isMember: number % 4 === 0,
    },
  };
}
