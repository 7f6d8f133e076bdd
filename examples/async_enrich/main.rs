//! Asynchronous calls: for each of 50,000 orders a slow service is asked for its price. An answer takes 20 ms, and
//! 1,000 questions are in flight at once, on the threads the flow runs on anyway.
//!
//! ```text
//! cargo run --release --example async_enrich
//! ```

mod service;

use std::time::Duration;

use millstream::connectors::memory::for_each;
use millstream::prelude::*;
use millstream::runtime;

use service::Client;

const ORDERS: u32 = 50_000;
const IN_FLIGHT: usize = 1_000;
const ANSWER: Duration = millis(20);

async fn price_of(order: u32, client: Client) -> Result<(u32, f64), String> {
    let price = client.ask(order).await.ok_or("the service is gone")?;
    let number = price.parse::<f64>();
    Ok((order, number.map_err(|_| format!("`{price}` is no price"))?))
}

async fn enrich() -> Result<(), Box<dyn std::error::Error>> {
    let client = Client::connect(service::start(ANSWER).await?).await?;
    let flow = Flow::new("enrich", move |flow| {
        let client = client.clone();
        let (priced, failed) = flow
            .source("orders", from_iter(0..ORDERS))
            .map_async("price", Ordered::up_to(IN_FLIGHT), move |order| {
                price_of(order, client.clone())
            })
            .split(|answer| match answer {
                Ok(priced) => Either::Left(priced),
                Err(why) => Either::Right(why),
            });
        priced.filter(|(order, _)| order % 10_000 == 0).sink(
            "out",
            for_each(|(order, price)| println!("order {order:>6} costs {price:.2}")),
        );
        failed.sink("failed", for_each(|why| eprintln!("{why}")));
    });
    let report = flow.run().await?;
    let took = report.elapsed;
    println!("\n{ORDERS} questions of {ANSWER:?}, {IN_FLIGHT} in flight: {took:.2?}");
    println!("One after the other they would take {:?}.", ANSWER * ORDERS);
    Ok(())
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    runtime::block_on(enrich())
}
