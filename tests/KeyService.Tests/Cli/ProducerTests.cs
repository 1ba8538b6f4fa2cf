using KeyService.Cli.Processes;

namespace KeyService.Tests.Cli;

/// <summary>A producer's output ends only with its success.</summary>
public sealed class ProducerTests
{
    [Fact]
    public async Task The_output_of_a_producer_that_exits_0_ends_as_streams_do()
    {
        using var producer = Producer.Start(["/bin/sh", "-c", "printf abc"]);
        Assert.Equal("abc", await new StreamReader(producer.Output).ReadToEndAsync());
        Assert.Equal(0, await producer.Output.ReadAsync(new byte[1]));
    }

    [Theory]
    [InlineData("printf abc; exit 3", "exited with code 3")]
    [InlineData("exit 255", "exited with code 255")]
    [InlineData("printf abc; kill -KILL $$", "ended by signal 9")]
    [InlineData("exec >&-; exit 1", "exited with code 1")]
    public async Task The_output_of_any_other_ends_in_an_error(string script, string reason)
    {
        using var producer = Producer.Start(["/bin/sh", "-c", script]);
        var e = await Assert.ThrowsAsync<ProducerFailedException>(() => producer.Output.CopyToAsync(Stream.Null));
        Assert.Contains(reason, e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_producer_that_closes_its_output_and_goes_on_is_waited_for()
    {
        using var producer = Producer.Start(["/bin/sh", "-c", "printf abc; exec >&-; sleep 0.2; exit 4"]);
        await Assert.ThrowsAsync<ProducerFailedException>(() => producer.Output.CopyToAsync(Stream.Null));
    }

    [Fact]
    public void A_synchronous_reader_is_told_as_well()
    {
        using var producer = Producer.Start(["/bin/sh", "-c", "exit 2"]);
        Assert.Throws<ProducerFailedException>(() => producer.Output.CopyTo(Stream.Null));
    }

    [Fact]
    public void A_program_that_does_not_exist_is_a_failed_producer() =>
        Assert.Throws<ProducerFailedException>(() => Producer.Start(["/no/such/program"]));

    [Fact]
    public async Task Arguments_reach_the_producer_as_they_are()
    {
        using var producer = Producer.Start(["/usr/bin/printf", "%s|", "a b", "", "$HOME", "--x=\"y\""]);
        Assert.Equal("a b||$HOME|--x=\"y\"|", await new StreamReader(producer.Output).ReadToEndAsync());
    }
}
