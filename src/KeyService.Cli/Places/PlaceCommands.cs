using System.CommandLine;
using System.Globalization;
using KeyService.Cli.CommandLine;
using KeyService.Cli.Output;
using KeyService.Protocol.V1;

namespace KeyService.Cli.Places;

/// <summary><c>keyservice place …</c></summary>
internal static class PlaceCommands
{
    public static Command Create() => new("place", "Watch from where credentials are used") { Policy(), List() };

    private static Command Policy()
    {
        var name = Name();
        var most = new Option<int>("--most") { Description = "Places that are allowed within the time; 0 ends the watch", HelpName = "N", Required = true };
        var within = new Option<string?>("--within") { Description = "The time: 30m, 12h or 7d; 24h when absent", HelpName = "TIME" };
        var ipv4 = new Option<int>("--ipv4-prefix") { Description = "Bits of an IPv4 address that make a place; 24 when absent", HelpName = "BITS" };
        var ipv6 = new Option<int>("--ipv6-prefix") { Description = "Bits of an IPv6 address that make a place; 56 when absent", HelpName = "BITS" };
        var requestId = GlobalOptions.RequestId();
        return new Command("policy", "Say from how many places a principal may be used") { name, most, within, ipv4, ipv6, requestId }.Runs(async run =>
        {
            var window = run.Get(within) is { } text ? ParseTime(text) : (TimeSpan?)null;
            using var client = run.Connect();
            var policy = await client.Places.SetPolicyAsync(
                run.Get(name), run.Required(most), window, run.Get(ipv4), run.Get(ipv6), run.Get(requestId), run.Cancellation).ConfigureAwait(false);
            run.Report.Write(new Record
            {
                ["principal"] = policy.Principal,
                ["most"] = policy.Most,
                ["within_seconds"] = policy.Window.Seconds,
                ["ipv4_prefix"] = policy.Ipv4Prefix,
                ["ipv6_prefix"] = policy.Ipv6Prefix,
                ["revision"] = policy.Revision,
            });
        });
    }

    private static Command List()
    {
        var name = Name();
        return new Command("list", "Show from where a watched principal was used") { name }.Runs(async run =>
        {
            using var client = run.Connect();
            var answer = await client.Places.ListAsync(run.Get(name), run.Cancellation).ConfigureAwait(false);
            await run.Report.WriteListAsync(answer.Places.Select(Of).ToAsyncEnumerable(), "Nothing was noted of it.", run.Cancellation).ConfigureAwait(false);
        });
    }

    private static Record Of(Place place) => new()
    {
        ["place"] = place.Place_,
        ["first_seen_time"] = Times.Of(place.FirstSeenTime),
        ["last_seen_time"] = Times.Of(place.LastSeenTime),
    };

    private static Argument<string> Name() => new("NAME") { Description = "Name of the principal" };

    internal static TimeSpan ParseTime(string text)
    {
        if (text.Length > 1 && int.TryParse(text[..^1], NumberStyles.None, CultureInfo.InvariantCulture, out var count) && count is > 0 and < 100_000)
        {
            switch (text[^1])
            {
                case 'm': return TimeSpan.FromMinutes(count);
                case 'h': return TimeSpan.FromHours(count);
                case 'd': return TimeSpan.FromDays(count);
            }
        }
        throw CliError.Usage($"\"{text}\" is not a time.", "Write 30m, 12h or 7d.");
    }
}
