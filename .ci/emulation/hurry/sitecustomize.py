"""Put before the SAM CLI and the AWS CLI: where they wait for AWS, they look again twice a second, not twice a minute."""

try:
    from botocore import waiter
except ImportError:
    pass
else:
    wait = waiter.Waiter.wait

    def hurried(self, **arguments):
        config = arguments.get("WaiterConfig") or {}
        self.config.delay = 0.5
        return wait(self, **{**arguments, "WaiterConfig": {**config, "Delay": 0.5, "MaxAttempts": 240}})

    waiter.Waiter.wait = hurried
